//! `GET /jobs/changes`, section 8 of the contract: public, inclusive, collapsed to the latest change of a job, and kept
//! by a cache at the edge.
//!
//! Invariant: equal questions get equal bytes while an answer is kept, whatever has happened meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderName;
use axum::http::header::{AGE, CACHE_CONTROL};
use bytes::Bytes;
use serde_json::{Value, json};

use super::world::{Job, Marketplace};
use super::{bad_parameter, failure};
use crate::account::Window;
use crate::answer::Answer;
use crate::call::Call;
use crate::clock::iso_time;
use crate::page::{self, History, Page, Shape};
use crate::server::Server;

/// At most so many changes are told at once.
const CHANGES: usize = 5000;

/// Requests of a minute; everybody who asks an emulator comes from one address.
const REQUESTS_A_MINUTE: u32 = 120;

/// An answer that is no longer fresh is given once more, while a new one is fetched, for so many times as long.
const STALE: u32 = 12;

/// Most answers that the edge keeps.
const KEPT: usize = 64;

const SHAPE: Shape = Shape { items: "changes", cursor: "until", more: None };

/// What stands before the endpoint: the limit for each address, and the cache.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    window: Window,
    kept: VecDeque<Kept>,
    history: History,
}

#[derive(Debug)]
struct Kept {
    since: String,
    at: Duration,
    body: Bytes,
    count: u64,
}

impl Edge {
    /// The kept answer to a question, with its age. One that is stale is given a last time: fetching a new one begins
    /// with that.
    fn find(&mut self, since: &str, now: Duration, fresh: Duration) -> Option<(Bytes, u64, Duration)> {
        let place = self.kept.iter().position(|kept| kept.since == since)?;
        let kept = &self.kept[place];
        let age = now.saturating_sub(kept.at);
        let found = (kept.body.clone(), kept.count, age);
        if age > fresh {
            self.kept.remove(place);
        }
        (age <= fresh * (1 + STALE)).then_some(found)
    }

    fn keep(&mut self, kept: Kept) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(kept);
    }
}

/// Answers, over the jobs of every account.
pub(super) fn answer(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let now = server.clock.elapsed();
    if server.edge.lock().window.admit(now, REQUESTS_A_MINUTE).is_err() {
        return Err(failure(server, 429));
    }
    let refusal = || bad_parameter(server, "since", "since must be an ISO-8601 time");
    let since = call.parameter("since").ok_or_else(refusal)?;
    let start = since.parse::<jiff::Timestamp>().map_err(|_| refusal())?.as_millisecond();
    let fresh = server.options.edge_cache;
    // A spoiled answer is neither kept nor replaced by a good one.
    let is_struck = call.fault.is_some();
    let kept = if is_struck { None } else { server.edge.lock().find(&since, now, fresh) };
    let (body, count, age) = kept.unwrap_or_else(|| {
        let page = read(server, &since, start);
        let mut edge = server.edge.lock();
        let (body, count) = page::render(page, &SHAPE, call.fault.as_ref(), &mut edge.history);
        let generated = iso_time(server.clock.now(call.skew()));
        let body = Bytes::from(opened(&body, &iso_time(start), &generated));
        if !is_struck && !fresh.is_zero() {
            edge.keep(Kept { since, at: now, body: body.clone(), count });
        }
        (body, count, Duration::ZERO)
    });
    let mut answer = Answer::rendered(body);
    answer.events = count;
    let seconds = fresh.as_secs();
    let control =
        format!("public, s-maxage={seconds}, stale-while-revalidate={}", seconds * u64::from(STALE));
    let headers: [(HeaderName, String); 2] = [(CACHE_CONTROL, control), (AGE, age.as_secs().to_string())];
    answer.headers.extend(headers);
    Ok(answer)
}

/// The page with what stands beside the list.
fn opened(page: &[u8], since: &str, generated: &str) -> Vec<u8> {
    let rest = page.strip_prefix(b"{").unwrap_or(page);
    let start = format!("{{\"since\":\"{since}\",\"generatedAt\":\"{generated}\",");
    [start.as_bytes(), rest].concat()
}

/// The changes at or after a time. Nothing is told from beyond the time that every account has reached, else what an
/// account does later would lie before the `until` of an answer that did not know of it.
fn read(server: &Server, since: &str, start: i64) -> Page {
    let mut reached = i64::MAX;
    let mut changes: Vec<(i64, String)> = Vec::new();
    for account in &server.accounts {
        let feed = account.feed_at(server.clock.elapsed());
        let Some(told) = feed.look_up(&["jobs", "changes"], &[]) else { continue };
        reached = reached.min(told["now"].as_i64().unwrap_or_default());
        let list = told["changes"].as_array().into_iter().flatten();
        changes
            .extend(list.filter_map(|change| Some((change["at"].as_i64()?, change["change"].to_string()))));
    }
    changes.retain(|(at, _)| (start..=reached).contains(at));
    changes.sort_by_key(|(at, _)| *at);
    let until = changes.get(CHANGES - 1).map_or(reached, |(last, _)| *last);
    changes.truncate(CHANGES);
    let items: Vec<String> = changes.into_iter().map(|(_, change)| change).collect();
    Page {
        count: items.len() as u64,
        items: items.join(",").into_bytes(),
        sent: Some(since.to_owned()),
        next: Some(iso_time(until)),
        more: false,
    }
}

/// The latest change of every job, and the time that the marketplace has reached.
pub(super) fn latest(market: &Marketplace) -> Value {
    let changes = market.jobs.iter().enumerate().map(|(number, job)| {
        let (kind, at) = change(job);
        let id = market.id("job_", number);
        json!({ "at": at, "change": { "jobId": id, "eventType": kind, "occurredAt": iso_time(at) } })
    });
    json!({ "now": market.now, "changes": changes.collect::<Vec<_>>() })
}

fn change(job: &Job) -> (&'static str, i64) {
    match (job.closed, job.updated) {
        (Some(closed), _) => ("CLOSED", closed),
        (None, Some(updated)) => ("UPDATED", updated),
        (None, None) => ("PUBLISHED", job.published),
    }
}

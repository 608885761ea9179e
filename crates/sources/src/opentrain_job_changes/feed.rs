//! Polls `GET /jobs/changes`: one answer per call, and the judgement where that leaves us.
//!
//! Source: the OpenTrain contract, section 8. Invariant: a change is left out only if its equal was told before; nothing
//! changes before the answer is there, so that a dropped poll is simply asked again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Batch, Context, Cursor, Environment, Error, Pace, Result, Source};
use sluicebox_http::{Answer, Client};

use super::decode::{self, Change, ChangesPage};
use super::position::Position;
use super::{OpenTrainJobChanges, origin, status};
use crate::item::{Origin, slice};
use crate::protocol::Malformed;
use crate::standing::Standing;
use crate::{Start, pace};

/// With so many changes an answer is full, and there may be more.
const MOST_CHANGES: usize = 5000;

/// The feed of public jobs.
pub(super) struct JobChangesFeed {
    client: Arc<Client>,
    origin: Origin,
    environment: Environment,
    interval: Duration,
    start: Start,
    position: Position,
    standing: Standing,
    malformed: Malformed,
}

/// The path that asks for what happened at or after a position.
pub(super) fn target(position: &Position) -> String {
    // Digits, `-`, `:`, `.`, `T` and `Z` only, so there is nothing to encode.
    format!("/jobs/changes?since={}", position.since)
}

/// The sentence for an answer of status 2xx that is no page.
pub(super) fn no_page(answer: &Answer, why: &str) -> String {
    let status = answer.status.as_u16();
    format!("OpenTrain answered {status} with something that is not a page of job changes: {why}")
}

impl JobChangesFeed {
    pub(super) fn new(options: OpenTrainJobChanges, client: Arc<Client>, cx: &Context) -> Self {
        Self {
            client,
            origin: origin(cx),
            environment: cx.environment.clone(),
            interval: options.interval.0,
            start: options.start,
            position: Position::default(),
            standing: Standing { cursor: None, priming: false, begun: false },
            malformed: Malformed::default(),
        }
    }

    /// What a page means for where we stand. No `await` in here: it happens whole or not at all.
    fn take(&mut self, page: &ChangesPage<'_>, answer: &Answer) -> Batch {
        let is_full = page.items.len() >= MOST_CHANGES;
        let mut changes: Vec<Change> =
            page.items.iter().map(|item| decode::change(&slice(&answer.body, item))).collect();
        // Oldest first, whatever the order of the answer.
        changes.sort_by_key(|change| (change.at.is_none(), change.at));
        let told: Vec<_> = changes.iter().map(|change| (change.at, change.fingerprint)).collect();
        let next = self.position.after(page.until, &told);
        let moved = next.since > self.position.since;
        self.report(page, is_full && !moved);
        let mut batch = Batch::empty(None);
        if self.standing.priming {
            if !is_full {
                self.standing.primed();
                tracing::info!(
                    account = %self.origin.account, since = %next.since,
                    "history is read away; changes from now on are emitted"
                );
            }
        } else {
            changes.retain(|change| !self.position.knows(change.fingerprint));
            for change in changes {
                match change.into_event(&self.origin, answer.received) {
                    Ok(event) => batch.events.push(event),
                    Err(reject) => batch.rejects.push(*reject),
                }
            }
        }
        self.position = next;
        self.standing.begun = true;
        self.standing.cursor = Some(self.position.to_string());
        batch.cursor = self.standing.to_cursor();
        batch.caught_up = !is_full;
        batch.pace = if is_full && moved {
            Pace::Immediately
        } else {
            pace::after(self.interval, &*self.environment.chance)
        };
        batch
    }

    fn report(&self, page: &ChangesPage<'_>, is_stuck: bool) {
        let (account, since, until) = (&self.origin.account, self.position.since, page.until);
        if is_stuck {
            tracing::error!(
                %account, %since, %until,
                "OpenTrain tells as many changes as it can without moving on; what lies beyond them may never be told"
            );
        } else if until < since {
            tracing::info!(%account, %since, %until, "an older answer came, from a cache; the position is kept");
        }
    }
}

#[async_trait]
impl Source for JobChangesFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let standing = Standing::new(saved, &self.start)?;
        let text = standing.cursor.as_deref();
        let position = text.map_or_else(|| Some(Position::default()), Position::parse).ok_or_else(|| {
            Error::config("the saved cursor is not a time")
                .with_reason("cursor_rejected")
                .with_help("set a good one with `sluicebox cursor set`, such as `2026-06-12T00:00:00Z`")
        })?;
        if standing.priming {
            tracing::info!(account = %self.origin.account, "reading history away without emitting it (start: now)");
        }
        (self.standing, self.position) = (standing, position);
        self.malformed.reset();
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let answer = match self.client.get(&target(&self.position)).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.malformed.judge(error)),
        };
        if !answer.status.is_success() {
            return Err(status::refusal(&answer, &self.client, &self.position));
        }
        match decode::page(&answer.body) {
            Ok(page) => {
                self.malformed.reset();
                Ok(Some(self.take(&page, &answer)))
            }
            Err(why) => Err(self.malformed.another(&no_page(&answer, &why))),
        }
    }
}

//! The sink at work: makes the planned requests, some at the same time, and reports what became of the events.
//!
//! Invariant: one call makes each request at most once; waiting and trying again belong to the engine.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::HeaderValue;
use sluicebox_core::{Error, Event, Result, Shared, Sink, Written};
use sluicebox_http::{Answer, Call, Client, Limits};

use super::judge::{Judge, Verdict};
use super::plan::{Planned, plan};
use super::run::Run;
use super::shape::Shape;

/// Parts of a URL that are at least as long may be secrets; shorter ones are words.
const LEAST_SECRET_CHARACTERS: usize = 16;
/// Bytes of an answer of which a message may show the beginning.
const EXCERPT_BYTES: usize = 4096;

/// Whose credentials are used.
pub(super) enum Clients {
    /// The sink's own, or none.
    Own(Arc<Client>),
    /// Those of a source, for the account of each event.
    OfSource { source: String, shared: Shared },
}

impl Clients {
    fn client(&self, account: &str) -> Result<Arc<Client>> {
        match self {
            Self::Own(client) => Ok(Arc::clone(client)),
            Self::OfSource { source, shared } => {
                Client::published(shared, source, account).ok_or_else(|| {
                    Error::config(format!(
                        "the source `{source}` has no credentials for the account `{account}`"
                    ))
                    .with_help("check `auth.same_as`")
                })
            }
        }
    }
}

/// Sends events as HTTP requests.
pub(super) struct HttpSink {
    pub(super) shape: Shape,
    pub(super) clients: Clients,
    pub(super) judge: Judge,
    pub(super) limits: Limits,
    pub(super) concurrency: usize,
}

#[async_trait]
impl Sink for HttpSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let plan = plan(events, &self.shape);
        let mut run = Run::new(&plan.requests);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < self.concurrency
                && let Some(number) = run.next()
            {
                let request = &plan.requests[number];
                let sink = &*self;
                under_way.push(async move { (number, sink.attempt(request).await) });
            }
            let Some((number, verdict)) = under_way.next().await else { break };
            run.settle(number, verdict);
        }
        let mut written = run.finish()?;
        written.rejected.extend(plan.rejected);
        Ok(written)
    }
}

impl HttpSink {
    /// Makes a request once.
    async fn attempt(&self, request: &Planned) -> Verdict {
        let client = match self.clients.client(&request.target.account) {
            Ok(client) => client,
            Err(error) => return Verdict::Pause(error),
        };
        match self.send(&client, request).await {
            Ok(answer) => self.judge.answer(&answer, || self.said(&client, request, &answer)),
            Err(error) => self.judge.failure(error),
        }
    }

    async fn send(&self, client: &Client, request: &Planned) -> Result<Answer> {
        let mut call = Call::new(self.shape.method.clone(), request.target.url.as_str());
        call.body = request.body.clone();
        call.limits = Some(self.limits);
        for (name, value) in &request.target.headers {
            call.headers.append(name, value.clone());
        }
        for name in &self.shape.id_headers {
            let key = HeaderValue::from_bytes(request.idempotency_key.as_bytes()).map_err(|_| {
                Error::permanent("the id of the event holds characters that a header cannot carry")
            })?;
            call.headers.insert(name, key);
        }
        client.send(call).await
    }

    /// What came back, for people: without what only the URL knows.
    fn said(&self, client: &Client, request: &Planned, answer: &Answer) -> String {
        let beginning = &answer.body[..answer.body.len().min(EXCERPT_BYTES)];
        let mut body = String::from_utf8_lossy(beginning).into_owned();
        for part in secret_parts(&request.target.url) {
            body = body.replace(part, "…");
        }
        let (method, status) = (&self.shape.method, answer.status.as_u16());
        let origin = client.base_url().origin();
        match client.quote(&body) {
            text if text.is_empty() => format!("{method} {origin}/… was answered with {status}"),
            text => format!("{method} {origin}/… was answered with {status}: {text}"),
        }
    }
}

/// The parts of a URL that an answer may repeat and a message must not, longest first.
fn secret_parts(url: &str) -> Vec<&str> {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let Some(path_at) = url[after_scheme..].find(['/', '?']).map(|at| after_scheme + at) else {
        return Vec::new();
    };
    let whole = &url[path_at..];
    let path = whole.split('?').next().unwrap_or_default();
    let pieces = whole.split(['/', '?', '&', '=']).filter(|piece| piece.len() >= LEAST_SECRET_CHARACTERS);
    let mut parts: Vec<&str> =
        [whole, path].into_iter().filter(|part| part.len() > 1).chain(pieces).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

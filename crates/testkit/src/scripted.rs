//! A transport that answers as scripted, for tests of sources that ask over HTTP, in the time of a paused clock.
//!
//! Invariant: nothing leaves the process, and every request is remembered.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{Context, Shared};
use sluicebox_http::{Request, Response, Transport, TransportError, TransportHandle};

/// One answer, after a wait.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    wait: Duration,
}

impl Reply {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), wait: Duration::ZERO }
    }

    /// 200 with a body.
    pub fn json(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, given later.
    #[must_use]
    pub fn after_seconds(mut self, seconds: u64) -> Self {
        self.wait = Duration::from_secs(seconds);
        self
    }
}

type Answer = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// Answers requests from a closure and remembers them.
pub struct Scripted {
    answer: Box<Answer>,
    /// Every request so far.
    pub requests: Mutex<Vec<Request>>,
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let number = {
            let mut requests = self.requests.lock();
            requests.push(request.clone());
            requests.len() - 1
        };
        let reply = (self.answer)(number, &request);
        tokio::time::sleep(reply.wait).await;
        let mut headers = HeaderMap::new();
        for (name, value) in reply.headers {
            headers.insert(name, value.parse().expect("a value that a header may have"));
        }
        let status = StatusCode::from_u16(reply.status).expect("a status of HTTP");
        let body = futures::stream::iter([Ok(reply.body)]).boxed();
        Ok(Response { status, headers, body })
    }
}

impl Scripted {
    /// Path and query of every request.
    pub fn targets(&self) -> Vec<String> {
        let requests = self.requests.lock();
        let shown = |request: &Request| request.url[url::Position::BeforePath..].to_owned();
        requests.iter().map(shown).collect()
    }
}

/// What a source of the account `acme` is built with, so that it asks a closure: the number of the request from 0, and the
/// request.
pub fn context(
    answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Context, Arc<Scripted>) {
    let transport = Arc::new(Scripted { answer: Box::new(answer), requests: Mutex::default() });
    let shared = Shared::default();
    shared.publish("", "", Arc::new(TransportHandle(Arc::clone(&transport) as Arc<dyn Transport>)));
    let cx = Context { account: "acme".into(), shared, ..crate::context("test", "feed") };
    (cx, transport)
}

/// Answers of a list in turn, the last one for ever.
pub fn in_turn(replies: Vec<Reply>) -> impl Fn(usize, &Request) -> Reply + Send + Sync + 'static {
    move |number, _| replies[number.min(replies.len() - 1)].clone()
}

/// An event of OpenTrain.
pub fn opentrain_event(id: u64) -> Value {
    json!({
        "id": id.to_string(), "type": "proposal.received", "apiVersion": "v1",
        "createdAt": "2026-06-12T09:00:00.000Z", "resourceId": "p", "jobId": null, "data": { "proposalId": "p" }
    })
}

/// A page of OpenTrain; `next` as JSON.
pub fn opentrain_page(ids: impl IntoIterator<Item = u64>, next: &Value, more: bool) -> Reply {
    let events: Vec<Value> = ids.into_iter().map(opentrain_event).collect();
    Reply::json(&json!({ "events": events, "nextCursor": next, "hasMore": more }))
}

/// An update of Zenzap.
pub fn update(id: &str, event_type: &str, data: &Value) -> Value {
    json!({ "updateId": id, "eventType": event_type, "createdAt": 1_699_564_800_000_i64, "data": data })
}

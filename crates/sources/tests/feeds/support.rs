//! A transport that answers as scripted, and an environment on tokio's clock, which tests pause.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Context, Problem, Registry, Shared, Source};
use sluicebox_http::{Request, Response, Transport, TransportError, TransportHandle};
use sluicebox_testkit::NoFiles;

/// One answer, after a wait.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    wait: Duration,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), wait: Duration::ZERO }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after_seconds(mut self, seconds: u64) -> Self {
        self.wait = Duration::from_secs(seconds);
        self
    }
}

type Answer = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// Answers requests from a closure and remembers them.
pub(crate) struct Scripted {
    answer: Box<Answer>,
    pub(crate) requests: Mutex<Vec<Request>>,
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
            headers.insert(name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(reply.status).unwrap();
        let body = futures::stream::iter([Ok(reply.body)]).boxed();
        Ok(Response { status, headers, body })
    }
}

impl Scripted {
    /// Path and query of every request.
    pub(crate) fn targets(&self) -> Vec<String> {
        let requests = self.requests.lock();
        let shown = |request: &Request| request.url[url::Position::BeforePath..].to_owned();
        requests.iter().map(shown).collect()
    }
}

pub(crate) fn context(
    answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Context, Arc<Scripted>) {
    let transport = Arc::new(Scripted { answer: Box::new(answer), requests: Mutex::default() });
    let shared = Shared::default();
    shared.publish("", "", Arc::new(TransportHandle(Arc::clone(&transport) as Arc<dyn Transport>)));
    let cx = Context { account: "acme".into(), shared, ..sluicebox_testkit::context("test", "feed") };
    (cx, transport)
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

/// Builds a source from its options.
pub(crate) async fn source(source_type: &str, options: Value, cx: &Context) -> Box<dyn Source> {
    registry().sources()[source_type].parse(options).unwrap().build(cx).await.unwrap().into_single().unwrap()
}

/// What `check` finds in the options of a source.
pub(crate) fn problems(source_type: &str, options: Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()[source_type].parse(options).unwrap().check(&cx)
}

/// Whether the declaration refuses the options.
pub(crate) fn parse_error(source_type: &str, options: Value) -> Option<String> {
    registry().sources()[source_type].parse(options).err().map(|problem| problem.message)
}

/// Answers of a list in turn, the last one for ever.
pub(crate) fn in_turn(replies: Vec<Reply>) -> impl Fn(usize, &Request) -> Reply + Send + Sync + 'static {
    move |number, _| replies[number.min(replies.len() - 1)].clone()
}

pub(crate) fn opentrain_event(id: u64) -> Value {
    json!({
        "id": id.to_string(), "type": "proposal.received", "apiVersion": "v1",
        "createdAt": "2026-06-12T09:00:00.000Z", "resourceId": "p", "jobId": null, "data": { "proposalId": "p" }
    })
}

pub(crate) fn opentrain_page(ids: impl IntoIterator<Item = u64>, next: &Value, more: bool) -> Reply {
    let events: Vec<Value> = ids.into_iter().map(opentrain_event).collect();
    Reply::json(&json!({ "events": events, "nextCursor": next, "hasMore": more }))
}

pub(crate) fn update(id: &str, event_type: &str, data: &Value) -> Value {
    json!({ "updateId": id, "eventType": event_type, "createdAt": 1_699_564_800_000_i64, "data": data })
}

pub(crate) fn zenzap_page(ids: &[&str], next: &str) -> Reply {
    let data = json!({ "topicId": "t", "emoji": "+1" });
    let updates: Vec<Value> = ids.iter().map(|id| update(id, "reaction.added", &data)).collect();
    Reply::json(&json!({ "updates": updates, "nextOffset": next }))
}

//! A transport that answers as scripted, and a small declaration to poll it with.

use std::sync::Arc;

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
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
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
    sluicebox_declared::register(&mut registry);
    registry
}

/// A small declaration of an API, with more options put over it.
pub(crate) fn options(more: &Value) -> Value {
    let mut options = json!({
        "base_url": "https://api.example.com",
        "request": { "path": "/events", "query": { "after": "{{ cursor }}" } },
        "items": "events",
        "cursor": { "next": { "body": "next" } },
        "event": { "id": "id" },
        "interval": "10s",
        "rate": "unlimited",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// Builds the source of [`options`] and opens it at `cursor`.
pub(crate) async fn source(more: &Value, cx: &Context, cursor: Option<&str>) -> Box<dyn Source> {
    let config = registry().sources()["http_poll"].parse(options(more)).unwrap();
    let mut source = config.build(cx).await.unwrap().into_single().unwrap();
    source.open(cursor.map(sluicebox_core::Cursor::from).as_ref()).await.unwrap();
    source
}

/// What `check` finds in [`options`].
pub(crate) fn problems(more: &Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()["http_poll"].parse(options(more)).unwrap().check(&cx)
}

/// Answers of a list in turn, the last one for ever.
pub(crate) fn in_turn(replies: Vec<Reply>) -> impl Fn(usize, &Request) -> Reply + Send + Sync + 'static {
    move |number, _| replies[number.min(replies.len() - 1)].clone()
}

/// A page with these ids; `next` as JSON.
pub(crate) fn page(ids: &[&str], next: &Value) -> Reply {
    let events: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    Reply::json(&json!({ "events": events, "next": next }))
}

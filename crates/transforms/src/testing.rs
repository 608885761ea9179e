//! What the tests of this crate share: events, a context on tokio's paused clock, an API that is a function.

mod lists;
mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use sluicebox_core::{
    AnyTransform, CheckContext, Context, Event, Meta, Outputs, Problem, Registry, ScriptFiles, Transform,
    TransformOutcome,
};
use sluicebox_http::{Request, Response, Transport, TransportError, TransportHandle};

pub(crate) use lists::{Lists, parameter};
pub(crate) use pages::{Pages, at, remember};

/// Script files by path.
pub(crate) struct Files(pub(crate) BTreeMap<&'static str, &'static str>);

impl ScriptFiles for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).map(ToString::to_string).ok_or_else(|| format!("{path} was not found"))
    }

    fn folders(&self, path: &str) -> Vec<String> {
        let inside = self.0.keys().filter_map(|file| file.strip_prefix(path)?.strip_prefix('/'));
        let mut folders: Vec<String> =
            inside.filter_map(|rest| Some(rest.split_once('/')?.0.to_owned())).collect();
        folders.dedup();
        folders
    }
}

pub(crate) fn context() -> Context {
    sluicebox_testkit::context("p", "thing")
}

pub(crate) fn event(id: &str, account: &str, json: &str) -> Event {
    let meta = Meta { event_type: "t".into(), key: "k".into(), ..Meta::new("feed", account, id) };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

pub(crate) fn parse(type_name: &str, options: &serde_json::Value) -> Box<dyn AnyTransform> {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    registry.transforms()[type_name].component.parse(options.clone()).unwrap()
}

pub(crate) fn check(type_name: &str, options: &serde_json::Value, files: &Files) -> Vec<Problem> {
    let sources = [("feed".to_owned(), "opentrain_updates".to_owned())];
    parse(type_name, options).check(&CheckContext { files, sources: &sources })
}

pub(crate) async fn build(type_name: &str, options: &serde_json::Value, cx: &Context) -> Box<dyn Transform> {
    parse(type_name, options).build(cx, &Files(BTreeMap::new())).await.unwrap()
}

pub(crate) async fn apply(transform: &dyn Transform, batch: Vec<Event>) -> Vec<(usize, TransformOutcome)> {
    let mut out = Outputs::new();
    transform.apply(batch, &mut out).await.unwrap();
    out.into_outcomes()
}

/// What an API answers.
pub(crate) enum Reply {
    Status(u16, &'static str),
    RetryAfter(u16, &'static str),
    Json(String),
    Hang,
}

type Answer = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// An API that is a function of the path and of how often that path was asked for before; takes 10 ms.
pub(crate) struct Api {
    answer: Box<Answer>,
    clock: tokio::time::Instant,
    pub(crate) requests: Mutex<Vec<(Duration, String)>>,
    under_way: Mutex<(usize, usize)>,
}

impl Api {
    pub(crate) fn publish(
        cx: &Context,
        answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        let api = Arc::new(Self {
            answer: Box::new(answer),
            clock: tokio::time::Instant::now(),
            requests: Mutex::default(),
            under_way: Mutex::default(),
        });
        cx.shared.publish("", "", Arc::new(TransportHandle(Arc::clone(&api) as Arc<dyn Transport>)));
        api
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests.lock().iter().map(|(_, path)| path.clone()).collect()
    }

    /// Most requests that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.under_way.lock().1
    }
}

#[async_trait]
impl Transport for Api {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let path = request.url.path().to_owned();
        let earlier = self.requests.lock().iter().filter(|(_, known)| *known == path).count();
        self.requests.lock().push((self.clock.elapsed(), path.clone()));
        {
            let mut under_way = self.under_way.lock();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let reply = (self.answer)(&path, earlier);
        self.under_way.lock().0 -= 1;
        let mut headers = HeaderMap::new();
        let (status, body) = match reply {
            Reply::Hang => return std::future::pending().await,
            Reply::Json(body) => (200, Bytes::from(body)),
            Reply::Status(status, body) => (status, Bytes::from_static(body.as_bytes())),
            Reply::RetryAfter(status, seconds) => {
                headers.insert("retry-after", seconds.parse().unwrap());
                (status, Bytes::new())
            }
        };
        let body = futures::stream::iter([Ok(body)]).boxed();
        Ok(Response { status: StatusCode::from_u16(status).unwrap(), headers, body })
    }
}

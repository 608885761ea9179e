//! An API whose answers depend on the whole request: its path, query and body.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use sluicebox_core::Context;
use sluicebox_http::{Request, Response, Transport, TransportError, TransportHandle};

type Answer = dyn Fn(&Request) -> (u16, Value) + Send + Sync;

/// Answers each request after 10 ms, and remembers its path, query and body.
pub(crate) struct Lists {
    answer: Box<Answer>,
    requests: Mutex<Vec<String>>,
}

impl Lists {
    pub(crate) fn publish(
        cx: &Context,
        answer: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let lists = Arc::new(Self { answer: Box::new(answer), requests: Mutex::default() });
        cx.shared.publish("", "", Arc::new(TransportHandle(Arc::clone(&lists) as Arc<dyn Transport>)));
        lists
    }

    /// The requests since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock())
    }
}

#[async_trait]
impl Transport for Lists {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut shown = request.url.path().to_owned();
        shown.extend(request.url.query().map(|query| format!("?{query}")));
        shown.push_str(std::str::from_utf8(&request.body).unwrap());
        self.requests.lock().push(shown);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (status, body) = (self.answer)(&request);
        let body = futures::stream::iter([Ok(Bytes::from(body.to_string()))]).boxed();
        Ok(Response { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body })
    }
}

/// A parameter of the query.
pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

//! What is answered, before it becomes bytes on a connection, and how it becomes them.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::clock::http_date;

/// What comes of a request.
pub(crate) enum Reply {
    Answer(Answer),
    /// The connection ends without an answer.
    Close,
    /// The same, by an RST.
    Reset,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Payload,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) events: u64,
}

/// A body, and how much of it arrives how fast.
#[derive(Debug)]
pub(crate) enum Payload {
    Whole(Bytes),
    /// Only the first bytes arrive; then the connection ends.
    Cut {
        body: Bytes,
        bytes: usize,
    },
    /// All of it arrives, at so many bytes per second.
    Trickle {
        body: Bytes,
        rate: u64,
    },
}

impl Payload {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Whole(body) | Self::Cut { body, .. } | Self::Trickle { body, .. } => body,
        }
    }
}

impl Answer {
    fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = Payload::Whole(body.into());
        Self { status, content_type, headers: Vec::new(), body, retry_after: None, events: 0 }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    /// JSON that is rendered already.
    pub(crate) fn rendered(body: impl Into<Bytes>) -> Self {
        Self::new(200, "application/json", body)
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// Bytes of no particular kind.
    pub(crate) fn file(body: Bytes) -> Self {
        Self::new(200, "application/octet-stream", body)
    }

    pub(crate) fn html(text: &'static str) -> Self {
        Self::new(200, "text/html; charset=utf-8", text)
    }

    pub(crate) fn redirect(address: &str) -> Self {
        let mut answer = Self::new(302, "text/plain; charset=utf-8", "moved");
        answer.headers.push((LOCATION, address.to_owned()));
        answer
    }

    /// Says when to come back, in seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push((RETRY_AFTER, seconds.to_string()));
        self.retry_after = Some(Duration::from_secs(seconds));
        self
    }

    /// Says when to come back, as a date by the clock of the server.
    pub(crate) fn retry_after_date(mut self, now: i64, seconds: u64) -> Self {
        let then = now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
        self.headers.push((RETRY_AFTER, http_date(then)));
        // A date has whole seconds: the client may come back as soon as that second begins.
        let left = u64::try_from(then - then.rem_euclid(1000) - now).unwrap_or(0);
        self.retry_after = Some(Duration::from_millis(left));
        self
    }

    pub(crate) fn gzipped(mut self, body: Vec<u8>) -> Self {
        self.headers.push((CONTENT_ENCODING, "gzip".to_owned()));
        self.body = Payload::Whole(body.into());
        self
    }

    /// Turns it into a response that says it was made at `now`; a slow body ends when `closing` does.
    pub(crate) fn into_response(
        self,
        now: i64,
        closing: impl Future<Output = ()> + Send + 'static,
    ) -> Response {
        let length = self.body.bytes().len();
        let body = match self.body {
            Payload::Whole(body) => Body::from(body),
            Payload::Cut { body, bytes } => Body::from_stream(cut(&body, bytes)),
            Payload::Trickle { body, rate } => {
                Body::from_stream(trickle(body, rate).take_until(Box::pin(closing)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let date = (DATE, http_date(now));
        for (name, value) in self.headers.into_iter().chain([date]) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The first bytes, a moment for them to leave, and then the error that makes the server drop the connection.
fn cut(body: &Bytes, bytes: usize) -> BoxStream<'static, io::Result<Bytes>> {
    let first = body.slice(..bytes.min(body.len()));
    let end = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    let head = stream::iter((!first.is_empty()).then_some(Ok(first)));
    head.chain(stream::once(end)).boxed()
}

const TICK: Duration = Duration::from_millis(50);

fn trickle(body: Bytes, rate: u64) -> BoxStream<'static, io::Result<Bytes>> {
    // Slower than one byte a tick: one byte, and longer ticks.
    let share = usize::try_from(rate / 20).unwrap_or(usize::MAX).max(1);
    let pause =
        if rate < 20 { Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(1) } else { TICK };
    let pieces = stream::unfold(body, move |mut body| async move {
        if body.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = body.split_to(share.min(body.len()));
        Some((Ok(piece), body))
    });
    pieces.boxed()
}

//! One request as a component asks for it: any method, with headers and a body of its own.
//!
//! Invariant: a call says what is wanted, never how it is paid for: credentials, signatures and the budget are the
//! client's.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

use crate::{Answer, Limits};

/// A request for [`crate::Client::send`].
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// A path with its query, percent-encoded, put after the base URL (`/updates?limit=5`), an absolute URL of the
    /// same origin, or nothing for the base URL itself.
    pub target: String,
    /// Headers beside those that the client adds: credentials and signatures (which win over these), `User-Agent`, and
    /// `Accept: application/json` unless one is given here. A body has no `Content-Type` unless one is given.
    pub headers: HeaderMap,
    /// The body, sent and signed byte for byte.
    pub body: Bytes,
    /// Deadlines and size limit of each attempt; `None`: those of the client.
    pub limits: Option<Limits>,
    /// Whether an answer refuses the credentials beside a 401, which always does: some APIs say it in the body of a
    /// 200. The call must then not have had an effect.
    pub refuses_credentials: fn(&Answer) -> bool,
}

impl Call {
    /// A call without headers and body.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let target = target.into();
        Self { method, target, headers, body, limits: None, refuses_credentials: |_| false }
    }

    /// The same call with a body of this type.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }
}

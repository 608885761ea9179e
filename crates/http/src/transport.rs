//! What carries one request, as a trait: the network in production, a script in tests.
//!
//! Invariant: a transport makes one attempt, follows no redirect and adds no credentials. It knows no deadline but the
//! one for connecting.

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// One request, ready to be sent: the URL is used byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL, encoded as it goes on the wire.
    pub url: Url,
    /// All headers but `Host`, `Content-Length` and `Accept-Encoding`, which the transport adds.
    pub headers: HeaderMap,
    /// The body; empty for a GET.
    pub body: Bytes,
}

/// The head of an answer, and its body as it comes in.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body in chunks, decompressed; each chunk is at most some tens of KiB.
    pub body: BoxStream<'static, Result<Bytes, TransportError>>,
}

/// Carries requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and waits for the head of the answer. Cancel-safe: dropping the future ends the exchange.
    ///
    /// # Errors
    /// [`TransportError`] if there is no answer.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// A transport in the shared values of a pipeline: whoever publishes one under `("", "")` replaces the network.
#[derive(Clone)]
pub struct TransportHandle(pub Arc<dyn Transport>);

/// Where an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The host's name has no address.
    Resolve,
    /// Nothing listens there.
    Refused,
    /// No connection within 10 seconds.
    ConnectTimeout,
    /// The server's certificate is not trusted, or there is no trust to check it with.
    Certificate,
    /// No connection for another reason.
    Connect,
    /// The connection broke before an answer came.
    Broken,
    /// The answer's body ended early or could not be decompressed.
    Body,
    /// The request cannot be sent as it is.
    Unsendable,
}

impl Fault {
    /// A clause for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "the host name could not be resolved",
            Self::Refused => "connection refused",
            Self::ConnectTimeout => "timed out after 10 s while connecting",
            Self::Certificate => "the server's certificate could not be verified",
            Self::Connect => "could not connect",
            Self::Broken => "the connection broke before an answer came",
            Self::Body => "the body was cut short",
            Self::Unsendable => "the request cannot be sent",
        }
    }
}

/// A broken exchange, with the library's error as the cause.
#[derive(Debug, thiserror::Error)]
#[error("{}", fault.as_str())]
pub struct TransportError {
    /// Where it broke.
    pub fault: Fault,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// A broken exchange without a cause.
    pub fn new(fault: Fault) -> Self {
        Self { fault, cause: None }
    }

    /// A broken exchange with its cause, which must not show a URL's query.
    pub fn caused_by(fault: Fault, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { fault, cause: Some(cause.into()) }
    }
}

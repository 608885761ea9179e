//! From a request to its answer: path, method, body, signature, and whoever takes it.
//!
//! Invariant: 2xx means that it is taken; what may work later is 503, so that the sender tries again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use sluicebox_core::Clock;

use crate::identity::{Identity, identity};
use crate::refusals::Refusals;
use crate::{Delivery, Receive, Taken, Verifier, body};

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How long whoever takes it may take: senders give up after ten seconds.
const TAKING_PATIENCE: Duration = Duration::from_secs(9);
/// After which time a sender that could not be served may try again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What is listened for on one path.
pub(crate) struct Route {
    pub(crate) path: String,
    /// Component and account.
    pub(crate) owner: (Arc<str>, Arc<str>),
    pub(crate) verifier: Verifier,
    pub(crate) body_limit: usize,
    pub(crate) receiver: Arc<dyn Receive>,
    pub(crate) refusals: Refusals,
    pub(crate) clock: Arc<dyn Clock>,
}

/// An answer without much of a body.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers a request to a path that may be nobody's.
pub(crate) async fn answer(route: Option<Arc<Route>>, request: Request<Incoming>) -> Answer {
    let Some(route) = route else { return say(StatusCode::NOT_FOUND, "nobody listens on this path") };
    if request.method() != Method::POST {
        let mut answer = say(StatusCode::METHOD_NOT_ALLOWED, "deliveries are posted");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    match route.delivery(request).await {
        Ok(delivery) => route.hand_on(delivery).await,
        Err((status, why)) => {
            route.refusals.tell(&route.owner, &why);
            say(status, &why)
        }
    }
}

impl Route {
    async fn delivery(&self, request: Request<Incoming>) -> Result<Delivery, (StatusCode, String)> {
        let (parts, incoming) = request.into_parts();
        let read = tokio::select! {
            read = body::read(&parts.headers, incoming, self.body_limit) => read,
            () = self.clock.sleep(BODY_PATIENCE) => Err(StatusCode::REQUEST_TIMEOUT),
        };
        let body = read.map_err(|status| (status, body_refusal(status).to_owned()))?;
        let received = self.clock.now();
        let content = self.verifier.verify(&parts.headers, &body, received);
        let content = content.map_err(|refusal| (StatusCode::UNAUTHORIZED, refusal.to_string()))?;
        let Identity { id, event_type, time } = identity(self.verifier.scheme(), &parts.headers, &body);
        Ok(Delivery { id, event_type, time, received, body, content })
    }

    async fn hand_on(&self, delivery: Delivery) -> Answer {
        let taken = tokio::select! {
            taken = self.receiver.receive(delivery) => taken,
            () = self.clock.sleep(TAKING_PATIENCE) => Taken::Failed("it takes too long".to_owned()),
        };
        match taken {
            Taken::Kept => say(StatusCode::OK, "taken"),
            Taken::Known => say(StatusCode::OK, "taken before"),
            Taken::Full(wait) => later("there is no room at the moment", wait),
            Taken::Failed(why) => {
                self.refusals.tell(&self.owner, &why);
                later("it could not be taken", RETRY_AFTER)
            }
        }
    }
}

fn body_refusal(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the content encoding is neither gzip nor identity",
        StatusCode::REQUEST_TIMEOUT => "the body took too long",
        _ => "the body could not be read",
    }
}

fn later(why: &str, wait: Duration) -> Answer {
    let mut answer = say(StatusCode::SERVICE_UNAVAILABLE, why);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    answer
}

fn say(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

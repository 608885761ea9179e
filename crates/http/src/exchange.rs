//! One attempt: send, wait for the head, read the body, each within its deadline and the size limit.
//!
//! Invariant: memory for a body never exceeds the limit and one chunk, however well it was compressed, and no exchange
//! outlives its total deadline, however slowly it trickles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, LOCATION};
use sluicebox_core::{Clock, Environment, Error, Result};

use crate::failure::{self, Named};
use crate::{Answer, Receiver, Request, Response, Transport};

/// Most bytes that are reserved for a body before it comes.
const FIRST_CAPACITY_BYTES: usize = 256 << 10;

/// Deadlines and size limit of one attempt. Connecting has a deadline of its own, 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest silence: until the head of the answer comes, and between two chunks of its body.
    pub read: Duration,
    /// Longest whole attempt.
    pub total: Duration,
    /// Most bytes of a decompressed body. A longer one is an error; after a request that may have had an effect (any
    /// but GET, HEAD and OPTIONS) it is cut instead.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { read: Duration::from_secs(30), total: Duration::from_secs(60), body_bytes: 16 << 20 }
    }
}

/// Sends requests over a transport in an environment.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) environment: Environment,
}

impl Exchange {
    /// One attempt, called `named` in messages. Cancel-safe.
    pub(crate) async fn send(&self, request: Request, named: &Named, limits: &Limits) -> Result<Answer> {
        self.send_into(request, named, limits, None).await
    }

    /// One attempt; the body of a success goes to the receiver, if there is one.
    pub(crate) async fn send_into(
        &self,
        request: Request,
        named: &Named,
        limits: &Limits,
        receiver: Option<&mut dyn Receiver>,
    ) -> Result<Answer> {
        let clock = &*self.environment.clock;
        let started = clock.elapsed();
        let received_bytes = AtomicUsize::new(0);
        let attempt = self.attempt(request, named, limits, (&received_bytes, receiver));
        let Some(result) = within(clock, limits.total, attempt).await else {
            return Err(failure::too_slow(named, limits.total, received_bytes.into_inner()));
        };
        let (head, body) = result?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            received: clock.now(),
            took: clock.elapsed().saturating_sub(started),
            clock_skew_seconds: None,
        })
    }

    async fn attempt(
        &self,
        request: Request,
        named: &Named,
        limits: &Limits,
        (received_bytes, receiver): (&AtomicUsize, Option<&mut dyn Receiver>),
    ) -> Result<(Response, Bytes)> {
        let clock = &*self.environment.clock;
        let Some(sent) = within(clock, limits.read, self.transport.send(request)).await else {
            return Err(failure::silent(named, limits.read, 0));
        };
        let mut response = sent.map_err(|error| failure::broken(named, error, 0))?;
        if response.status.is_redirection() && response.status != StatusCode::NOT_MODIFIED {
            let location = response.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            return Err(failure::redirected(named, response.status.as_u16(), location));
        }
        let body = match receiver {
            Some(receiver) if response.status.is_success() => {
                self.hand_over(&mut response, named, limits, (received_bytes, receiver)).await?;
                Bytes::new()
            }
            // Nobody asked for what a refusal says, however long it is.
            Some(_) => Bytes::new(),
            None => self.read_body(&mut response, named, limits, received_bytes).await?,
        };
        Ok((response, body))
    }

    /// Gives a body to a receiver, chunk by chunk, within the limits.
    async fn hand_over(
        &self,
        response: &mut Response,
        named: &Named,
        limits: &Limits,
        (received_bytes, receiver): (&AtomicUsize, &mut dyn Receiver),
    ) -> Result<()> {
        if declared_bytes(response) > limits.body_bytes {
            return Err(failure::too_large(named, limits.body_bytes));
        }
        let mut length = 0;
        loop {
            let next = within(&*self.environment.clock, limits.read, response.body.next()).await;
            let chunk = match next {
                None => return Err(failure::silent(named, limits.read, length)),
                Some(None) => return Ok(()),
                Some(Some(Err(error))) => return Err(failure::broken(named, error, length)),
                Some(Some(Ok(chunk))) => chunk,
            };
            length += chunk.len();
            if length > limits.body_bytes {
                return Err(failure::too_large(named, limits.body_bytes));
            }
            receiver.receive(chunk).await?;
            received_bytes.store(length, Ordering::Relaxed);
        }
    }

    async fn read_body(
        &self,
        response: &mut Response,
        named: &Named,
        limits: &Limits,
        received_bytes: &AtomicUsize,
    ) -> Result<Bytes> {
        let declared = declared_bytes(response);
        if declared > limits.body_bytes && !named.has_effect {
            return Err(failure::too_large(named, limits.body_bytes));
        }
        // What is only declared reserves little: it costs the other side nothing.
        let mut body = BytesMut::with_capacity(declared.min(FIRST_CAPACITY_BYTES));
        loop {
            let next = within(&*self.environment.clock, limits.read, response.body.next()).await;
            let chunk = match next {
                None => return Err(failure::silent(named, limits.read, body.len())),
                Some(None) => return Ok(body.freeze()),
                Some(Some(Err(error))) => return Err(failure::broken(named, error, body.len())),
                Some(Some(Ok(chunk))) => chunk,
            };
            let room = limits.body_bytes - body.len();
            if chunk.len() > room && named.has_effect {
                // The status says how it ended; to fail now would be to do it again.
                body.extend_from_slice(&chunk[..room]);
                return Ok(body.freeze());
            }
            if chunk.len() > room {
                return Err(failure::too_large(named, limits.body_bytes));
            }
            body.extend_from_slice(&chunk);
            received_bytes.store(body.len(), Ordering::Relaxed);
        }
    }
}

/// How long a body says it is; 0 if it does not say.
fn declared_bytes(response: &Response) -> usize {
    let length = response.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

/// The outcome of `work`, or `None` if it takes longer than `limit`.
async fn within<T>(clock: &dyn Clock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        outcome = work => Some(outcome),
        () = clock.sleep(limit) => None,
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exchange")
    }
}

/// The caller's error when a credential cannot be put into a header.
pub(crate) fn unsendable_credential(what: &str) -> Error {
    Error::config(format!("the {what} holds characters that a header cannot carry"))
        .with_help("check the secret for line breaks and quotes around it")
}

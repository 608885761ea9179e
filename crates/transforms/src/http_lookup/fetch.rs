//! One look-up: an attempt, and what each answer means.

use std::sync::Arc;

use http::Method;
use sluicebox_core::{Error, ErrorClass, LookupStatus, Shared};
use sluicebox_http::{Answer, Call, Client, Limits};
use sluicebox_lookups::{Failed, Found, Gate, Patience, Unavailable};

use super::extract::Extract;

/// Whose credentials are used.
pub(super) enum Credentials {
    /// The look-up's own, or none.
    Own(Arc<Client>),
    /// Those of a source, for the account of each event.
    OfSource { source: String, shared: Shared },
}

impl Credentials {
    /// The client for an account.
    pub(super) fn client(&self, account: &str) -> Option<Arc<Client>> {
        match self {
            Self::Own(client) => Some(Arc::clone(client)),
            Self::OfSource { source, shared } => Client::published(shared, source, account),
        }
    }

    /// What tells the answers for one account from those for another.
    pub(super) fn scope<'a>(&self, account: &'a str) -> &'a str {
        match self {
            Self::Own(_) => "",
            Self::OfSource { .. } => account,
        }
    }
}

/// Makes look-ups.
pub(super) struct Fetcher {
    pub(super) credentials: Credentials,
    pub(super) limits: Limits,
    pub(super) patience: Patience,
}

impl Fetcher {
    /// Asks for one thing until there is something final or the time is over.
    ///
    /// # Errors
    /// The time is over.
    pub(super) async fn fetch(
        &self,
        (client, gate): (&Client, &Gate),
        url: &str,
        extract: &Extract,
    ) -> Result<Found, Unavailable> {
        let asked = self.ask(client, gate, &Call::new(Method::GET, url), |body| extract.read(body)).await?;
        Ok(asked.unwrap_or_else(|refused| refused))
    }

    /// Makes a request until there is something final or the time is over: what `read` makes of an answer, or why there
    /// is none.
    ///
    /// # Errors
    /// The time is over.
    pub(super) async fn ask<T>(
        &self,
        client: &Client,
        gate: &Gate,
        call: &Call,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Result<T, Found>, Unavailable> {
        let end = self.patience.ask(gate, || self.attempt(client, call, &read)).await?;
        if let Err(refused) = &end {
            self.patience.note(refused);
        } else {
            self.patience.note_answer();
        }
        Ok(end)
    }

    async fn attempt<T>(
        &self,
        client: &Client,
        call: &Call,
        read: &impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Result<T, Found>, Failed> {
        let call = Call { limits: Some(self.limits), ..call.clone() };
        match client.send(call).await {
            Ok(answer) => Self::judge(client, &answer, read),
            Err(error) if error.class().is_retryable() => Err(Failed { error, hopeless: false }),
            Err(error) if error.class() == ErrorClass::Permanent => {
                Ok(Err(Found::nothing(LookupStatus::Unavailable, &error.chain())))
            }
            Err(error) => Err(Failed { error, hopeless: true }),
        }
    }

    /// What a status means, per section 9 of the OpenTrain contract.
    fn judge<T>(
        client: &Client,
        answer: &Answer,
        read: &impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Result<T, Found>, Failed> {
        let status = answer.status.as_u16();
        let said = || match client.excerpt(answer) {
            text if text.is_empty() => format!("the API answered {status}"),
            text => format!("the API answered {status}: {text}"),
        };
        match status {
            200..=299 => read(&answer.body).map(Ok).map_err(|error| {
                let error = Error::transient("the answer is not JSON").with_cause(error);
                Failed { error, hopeless: false }
            }),
            404 | 410 => Ok(Err(Found::nothing(LookupStatus::NotFound, &said()))),
            403 => Ok(Err(Found::nothing(LookupStatus::Forbidden, &said()))),
            401 => Err(Failed { error: Error::auth(said()), hopeless: true }),
            429 => Err(Failed { error: Error::rate_limited(said(), answer.retry_after()), hopeless: false }),
            408 | 425 | 500.. => {
                let error = Error::transient(said());
                let error = answer.retry_after().into_iter().fold(error, Error::with_retry_after);
                Err(Failed { error, hopeless: false })
            }
            _ => Ok(Err(Found::nothing(LookupStatus::Unavailable, &said()))),
        }
    }
}

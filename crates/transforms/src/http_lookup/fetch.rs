//! One look-up: an attempt, and what each answer means.

use std::sync::Arc;

use sluicebox_core::{Error, ErrorClass, LookupStatus, Shared};
use sluicebox_http::{Answer, Client, Limits};
use sluicebox_lookups::{Failed, Found, Gate, Patience, Unavailable, select};

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
    pub(super) select: Option<String>,
    pub(super) patience: Patience,
}

impl Fetcher {
    /// Asks until there is something final or the time is over.
    ///
    /// # Errors
    /// The time is over.
    pub(super) async fn fetch(&self, client: &Client, gate: &Gate, url: &str) -> Result<Found, Unavailable> {
        let found = self.patience.ask(gate, || self.attempt(client, url)).await?;
        self.patience.note(&found);
        Ok(found)
    }

    async fn attempt(&self, client: &Client, url: &str) -> Result<Found, Failed> {
        match client.get_within(url, &self.limits).await {
            Ok(answer) => self.judge(client, &answer),
            Err(error) if error.class().is_retryable() => Err(Failed { error, hopeless: false }),
            Err(error) if error.class() == ErrorClass::Permanent => {
                Ok(Found::nothing(LookupStatus::Unavailable, &error.chain()))
            }
            Err(error) => Err(Failed { error, hopeless: true }),
        }
    }

    /// What a status means, per section 9 of the OpenTrain contract.
    fn judge(&self, client: &Client, answer: &Answer) -> Result<Found, Failed> {
        let status = answer.status.as_u16();
        let said = || match client.excerpt(answer) {
            text if text.is_empty() => format!("the API answered {status}"),
            text => format!("the API answered {status}: {text}"),
        };
        match status {
            200..=299 => self.read(answer),
            404 | 410 => Ok(Found::nothing(LookupStatus::NotFound, &said())),
            403 => Ok(Found::nothing(LookupStatus::Forbidden, &said())),
            401 => Err(Failed { error: Error::auth(said()), hopeless: true }),
            429 => Err(Failed { error: Error::rate_limited(said(), answer.retry_after()), hopeless: false }),
            408 | 425 | 500.. => {
                let error = Error::transient(said());
                let error = answer.retry_after().into_iter().fold(error, Error::with_retry_after);
                Err(Failed { error, hopeless: false })
            }
            _ => Ok(Found::nothing(LookupStatus::Unavailable, &said())),
        }
    }

    fn read(&self, answer: &Answer) -> Result<Found, Failed> {
        match select(&answer.body, self.select.as_deref()) {
            Ok(Some(json)) => Ok(Found::Answer(json)),
            Ok(None) => {
                let path = self.select.as_deref().unwrap_or_default();
                Ok(Found::nothing(LookupStatus::NotFound, &format!("the answer has nothing at `{path}`")))
            }
            Err(error) => {
                let error = Error::transient("the answer is not JSON").with_cause(error);
                Err(Failed { error, hopeless: false })
            }
        }
    }
}

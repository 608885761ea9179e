//! One look-up: attempts, what each answer means, and when to give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sluicebox_core::{Environment, Error, ErrorClass, LookupStatus, RetryOptions, Shared};
use sluicebox_http::{Answer, Client, Limits};

use super::gate::{Failure, Gate};
use super::select::select;

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

/// What is final for a URL, and so remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The selected JSON.
    Answer(Bytes),
    /// There is none, and why.
    Nothing(LookupStatus, Arc<str>),
}

impl Found {
    /// Whether there is an answer.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_))
    }

    /// Bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Answer(json) => json.len(),
            Self::Nothing(_, reason) => reason.len(),
        }
    }
}

/// No answer now; another event may have more luck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unavailable(pub(super) String);

/// How one attempt ended without something final.
struct Failed {
    error: Error,
    /// Trying again soon cannot help.
    hopeless: bool,
}

/// Makes look-ups.
pub(super) struct Fetcher {
    pub(super) credentials: Credentials,
    pub(super) limits: Limits,
    pub(super) select: Option<String>,
    pub(super) retry: RetryOptions,
    pub(super) max_elapsed: Duration,
    pub(super) environment: Environment,
    pub(super) component: Arc<str>,
    pub(super) pipeline: Arc<str>,
    /// The last request was refused for good, and the log says so.
    pub(super) refused: AtomicBool,
}

impl Fetcher {
    /// A gate for one account.
    pub(super) fn gate(&self) -> Gate {
        Gate::new(self.retry.clone(), self.max_elapsed, self.environment.clone())
    }

    /// Asks until there is something final or the time is over.
    ///
    /// # Errors
    /// The time is over.
    pub(super) async fn fetch(&self, client: &Client, gate: &Gate, url: &str) -> Result<Found, Unavailable> {
        let clock = &*self.environment.clock;
        let mut backoff = self.retry.backoff();
        let mut over = None;
        loop {
            let pass = gate.enter().await.map_err(Unavailable)?;
            let Failed { error, hopeless } = match self.attempt(client, url).await {
                Ok(found) => {
                    if gate.works() {
                        self.say_recovered();
                    }
                    self.say_refused(&found);
                    return Ok(found);
                }
                Err(failed) => failed,
            };
            let reason = error.chain();
            let failure = gate.fails(&pass, &reason, error.retry_after(), hopeless);
            drop(pass);
            if matches!(failure, Failure::First) {
                self.say_failing(&error, &reason);
            }
            let now = clock.elapsed();
            let over = *over.get_or_insert_with(|| now.saturating_add(self.max_elapsed));
            let wait = backoff.next(error.retry_after(), &*self.environment.chance);
            if hopeless || now.saturating_add(wait) > over {
                return Err(Unavailable(reason));
            }
            clock.sleep(wait).await;
        }
    }

    async fn attempt(&self, client: &Client, url: &str) -> Result<Found, Failed> {
        match client.get_within(url, &self.limits).await {
            Ok(answer) => self.judge(client, &answer),
            Err(error) if error.class().is_retryable() => Err(Failed { error, hopeless: false }),
            Err(error) if error.class() == ErrorClass::Permanent => {
                Ok(nothing(LookupStatus::Unavailable, &error.chain()))
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
            404 | 410 => Ok(nothing(LookupStatus::NotFound, &said())),
            403 => Ok(nothing(LookupStatus::Forbidden, &said())),
            401 => Err(Failed { error: Error::auth(said()), hopeless: true }),
            429 => Err(Failed { error: Error::rate_limited(said(), answer.retry_after()), hopeless: false }),
            408 | 425 | 500.. => {
                let error = Error::transient(said());
                let error = answer.retry_after().into_iter().fold(error, Error::with_retry_after);
                Err(Failed { error, hopeless: false })
            }
            _ => Ok(nothing(LookupStatus::Unavailable, &said())),
        }
    }

    fn read(&self, answer: &Answer) -> Result<Found, Failed> {
        match select(&answer.body, self.select.as_deref()) {
            Ok(Some(json)) => Ok(Found::Answer(json)),
            Ok(None) => {
                let path = self.select.as_deref().unwrap_or_default();
                Ok(nothing(LookupStatus::NotFound, &format!("the answer has nothing at `{path}`")))
            }
            Err(error) => {
                let error = Error::transient("the answer is not JSON").with_cause(error);
                Err(Failed { error, hopeless: false })
            }
        }
    }

    fn say_failing(&self, error: &Error, reason: &str) {
        let (pipeline, component) = (&*self.pipeline, &*self.component);
        if error.class().is_retryable() {
            tracing::warn!(pipeline, component, event = "retry", "look-ups fail, trying again: {reason}");
        } else {
            let help = error.help().unwrap_or("check the credentials and the address of this look-up");
            tracing::error!(pipeline, component, help, "look-ups fail: {reason}");
        }
    }

    /// Once, until something is answered again: with `on_error: pass` nothing else would show it.
    fn say_refused(&self, found: &Found) {
        let Found::Nothing(LookupStatus::Unavailable, reason) = found else {
            if found.is_answer() {
                self.refused.store(false, Ordering::Relaxed);
            }
            return;
        };
        if !self.refused.swap(true, Ordering::Relaxed) {
            let (pipeline, component) = (&*self.pipeline, &*self.component);
            tracing::error!(
                pipeline,
                component,
                "look-ups are refused, trying again would not help: {reason}"
            );
        }
    }

    fn say_recovered(&self) {
        let (pipeline, component) = (&*self.pipeline, &*self.component);
        tracing::info!(pipeline, component, event = "resumed", "look-ups work again");
    }
}

fn nothing(status: LookupStatus, reason: &str) -> Found {
    Found::Nothing(status, reason.into())
}

//! How long a look-up tries: bounded retries behind a gate, and what the log hears of it.
//!
//! A look-up retries by itself, unlike every other component: one key that fails must not hold up its batch, and the
//! engine could only repeat the whole batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluicebox_core::{Context, Environment, Error, LookupStatus, RetryOptions};

use crate::gate::Failure;
use crate::{Found, Gate, Unavailable};

/// How long a look-up is retried unless `retry.max_elapsed` says otherwise.
pub const DEFAULT_MAX_ELAPSED: Duration = Duration::from_secs(30);

/// How one attempt ended without something final.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// Trying again soon cannot help.
    pub hopeless: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { hopeless: !error.class().is_retryable(), error }
    }
}

/// The patience of one look-up.
pub struct Patience {
    retry: RetryOptions,
    max_elapsed: Duration,
    environment: Environment,
    component: Arc<str>,
    pipeline: Arc<str>,
    /// The last request was refused for good, and the log says so.
    refused: AtomicBool,
}

impl Patience {
    /// As `retry:` of the component says.
    pub fn new(cx: &Context) -> Self {
        Self {
            retry: cx.retry.clone(),
            max_elapsed: cx.retry.max_elapsed_or(DEFAULT_MAX_ELAPSED),
            environment: cx.environment.clone(),
            component: Arc::clone(&cx.component),
            pipeline: Arc::clone(&cx.pipeline),
            refused: AtomicBool::new(false),
        }
    }

    /// A gate before one service.
    pub fn gate(&self) -> Gate {
        Gate::new(self.retry.clone(), self.max_elapsed, self.environment.clone())
    }

    /// Attempts until there is something final or the time is over.
    ///
    /// # Errors
    /// The time is over, or trying again cannot help.
    pub async fn ask<T, F>(&self, gate: &Gate, mut attempt: impl FnMut() -> F) -> Result<T, Unavailable>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let clock = &*self.environment.clock;
        let mut backoff = self.retry.backoff();
        let mut over = None;
        loop {
            let pass = gate.enter().await.map_err(Unavailable)?;
            let Failed { error, hopeless } = match attempt().await {
                Ok(final_answer) => {
                    if gate.works() {
                        self.say_recovered();
                    }
                    return Ok(final_answer);
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

    /// Logs a final refusal, once until something is answered again: with `on_error: pass` nothing else would show it.
    pub fn note(&self, found: &Found) {
        let Found::Nothing(LookupStatus::Unavailable, reason) = found else {
            if found.is_answer() {
                self.note_answer();
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

    /// Something was answered: the next refusal is news again.
    pub fn note_answer(&self) {
        self.refused.store(false, Ordering::Relaxed);
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

    fn say_recovered(&self) {
        let (pipeline, component) = (&*self.pipeline, &*self.component);
        tracing::info!(pipeline, component, event = "resumed", "look-ups work again");
    }
}

//! Holds back requests to a service that is down: one probe at a time, with growing waits.
//!
//! Invariant: while it fails, requests with one account's credentials start no closer together than the waits of
//! the backoff (but for those that were under way when it began to fail).

use std::time::Duration;

use parking_lot::Mutex;
use sluicebox_core::{Backoff, Environment, RetryOptions};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

/// The state of one service with one account's credentials.
pub struct Gate {
    trouble: Mutex<Option<Trouble>>,
    probe: AsyncMutex<()>,
    retry: RetryOptions,
    max_elapsed: Duration,
    environment: Environment,
}

/// It fails.
struct Trouble {
    since: Duration,
    next_attempt: Duration,
    backoff: Backoff,
    /// Trying again within `max_elapsed` cannot help (credentials).
    hopeless: bool,
    reason: String,
}

/// Leave to make one request.
pub(crate) struct Pass<'a> {
    started: Duration,
    _probe: Option<MutexGuard<'a, ()>>,
}

/// Whether this failure is news.
pub(crate) enum Failure {
    /// The API worked until now.
    First,
    /// It was known to fail.
    Again,
}

impl Gate {
    pub(crate) fn new(retry: RetryOptions, max_elapsed: Duration, environment: Environment) -> Self {
        Self { trouble: Mutex::new(None), probe: AsyncMutex::new(()), retry, max_elapsed, environment }
    }

    /// Waits until a request may be made.
    ///
    /// # Errors
    /// Nothing can be expected before `max_elapsed` is over: why it fails.
    pub(crate) async fn enter(&self) -> Result<Pass<'_>, String> {
        if self.trouble.lock().is_none() {
            return Ok(self.pass(None));
        }
        self.wait_for_next_attempt()?;
        let probe = self.probe.lock().await;
        let Some(wait) = self.wait_for_next_attempt()? else { return Ok(self.pass(None)) };
        self.environment.clock.sleep(wait).await;
        Ok(self.pass(Some(probe)))
    }

    /// How far the next attempt is away; `None` if there is no trouble any more.
    fn wait_for_next_attempt(&self) -> Result<Option<Duration>, String> {
        let now = self.environment.clock.elapsed();
        let trouble = self.trouble.lock();
        let Some(trouble) = trouble.as_ref() else { return Ok(None) };
        let wait = trouble.next_attempt.saturating_sub(now);
        let over = trouble.since.saturating_add(self.max_elapsed);
        let too_late = trouble.hopeless || trouble.next_attempt > over;
        if !wait.is_zero() && too_late { Err(trouble.reason.clone()) } else { Ok(Some(wait)) }
    }

    fn pass<'a>(&self, probe: Option<MutexGuard<'a, ()>>) -> Pass<'a> {
        Pass { started: self.environment.clock.elapsed(), _probe: probe }
    }

    /// The request was answered: true if the API had failed before.
    pub(crate) fn works(&self) -> bool {
        self.trouble.lock().take().is_some()
    }

    /// The request failed; `asked` is a `Retry-After`.
    pub(crate) fn fails(
        &self,
        pass: &Pass<'_>,
        reason: &str,
        asked: Option<Duration>,
        hopeless: bool,
    ) -> Failure {
        let now = self.environment.clock.elapsed();
        let chance = &*self.environment.chance;
        let mut trouble = self.trouble.lock();
        let known = trouble.is_some();
        let state = trouble.get_or_insert_with(|| Trouble {
            since: now,
            next_attempt: Duration::ZERO,
            backoff: self.retry.backoff(),
            hopeless,
            reason: String::new(),
        });
        // A request that was under way when the trouble began adds nothing but its `Retry-After`.
        if !known || pass.started > state.since || asked.is_some() {
            let wait = state.backoff.next(asked, chance);
            state.next_attempt = state.next_attempt.max(now.saturating_add(wait));
        }
        state.hopeless = hopeless;
        reason.clone_into(&mut state.reason);
        if known { Failure::Again } else { Failure::First }
    }
}

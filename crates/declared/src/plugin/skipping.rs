//! Time that passes as fast as it is waited for, for the tests of connectors.
//!
//! Invariant: nobody waits: a test whose answer asks to wait for a minute takes no longer than another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluicebox_core::{Clock, Environment, Timestamp};

/// A clock that jumps over every wait.
struct Skipping {
    start: Timestamp,
    waited: Mutex<Duration>,
}

#[async_trait]
impl Clock for Skipping {
    fn now(&self) -> Timestamp {
        let waited = i64::try_from(self.waited.lock().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.start.as_millis().saturating_add(waited))
    }

    fn elapsed(&self) -> Duration {
        *self.waited.lock()
    }

    async fn sleep(&self, duration: Duration) {
        *self.waited.lock() += duration;
    }
}

/// The same surroundings, from now on without waiting.
pub(super) fn skipping(environment: &Environment) -> Environment {
    let clock = Skipping { start: environment.clock.now(), waited: Mutex::default() };
    Environment { clock: Arc::new(clock), chance: Arc::clone(&environment.chance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_takes_no_time_and_is_over() {
        let given = sluicebox_testkit::context("p", "feed").environment;
        let environment = skipping(&given);
        let before = environment.clock.now();
        let real = tokio::time::Instant::now();
        environment.clock.sleep(Duration::from_secs(90)).await;
        assert_eq!(environment.clock.elapsed(), Duration::from_secs(90));
        assert_eq!(environment.clock.now().as_millis() - before.as_millis(), 90_000);
        assert_eq!(real.elapsed(), Duration::ZERO);
    }
}

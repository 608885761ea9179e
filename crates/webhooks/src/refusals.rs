//! What is said of requests that do not pass: the first, then a count now and then.
//!
//! Invariant: strangers cannot fill a log; one line in ten seconds at most.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sluicebox_core::Clock;

const SILENCE: Duration = Duration::from_secs(10);

/// The refused requests of one route.
pub(crate) struct Refusals {
    clock: Arc<dyn Clock>,
    /// When the last line was written, and how many were left out since.
    last: Mutex<(Option<Duration>, u64)>,
}

impl Refusals {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: Mutex::default() }
    }

    /// Writes a line, or counts. `owner` is the component and account that listen.
    pub(crate) fn tell(&self, owner: &(Arc<str>, Arc<str>), why: &dyn std::fmt::Display) {
        if let Some(left_out) = self.admit() {
            // Whoever runs the receiver is another component, if several share it.
            let (component, account) = owner;
            tracing::warn!(
                %component, %account, event = "webhook_refused", left_out, "a webhook was refused: {why}"
            );
        }
    }

    fn admit(&self) -> Option<u64> {
        let now = self.clock.elapsed();
        let mut last = self.last.lock();
        if last.0.is_some_and(|at| now.saturating_sub(at) < SILENCE) {
            last.1 += 1;
            return None;
        }
        let left_out = last.1;
        *last = (Some(now), 0);
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_refusals_are_a_line_and_a_count() {
        let refusals = Refusals::new(sluicebox_testkit::environment().clock);
        assert_eq!((refusals.admit(), refusals.admit(), refusals.admit()), (Some(0), None, None));
        tokio::time::advance(SILENCE).await;
        assert_eq!((refusals.admit(), refusals.admit()), (Some(2), None));
    }
}

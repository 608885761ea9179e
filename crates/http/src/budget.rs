//! The request budget of one credential: everybody who uses the credential waits in the same queue.
//!
//! Invariant: no request starts while the budget is closed, and those who wait are served in the order they came.

use std::time::Duration;

use sluicebox_core::Clock;

use crate::Rate;

/// A token bucket that starts full, and that the other side can close for a while (`Retry-After`).
#[derive(Debug)]
pub(crate) struct Budget {
    rate: Rate,
    state: parking_lot::Mutex<State>,
    /// Held while waiting, so that one waiter sleeps at a time and the queue is fair.
    turnstile: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// When the bucket will be full again, on [`Clock::elapsed`] (the generic cell rate algorithm).
    full_at: Duration,
    closed_until: Duration,
}

impl Budget {
    /// A full budget.
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, state: parking_lot::Mutex::default(), turnstile: tokio::sync::Mutex::default() }
    }

    /// Waits until one request may start, and counts it.
    ///
    /// Cancel-safe: a waiter that is dropped has taken nothing.
    pub(crate) async fn acquire(&self, clock: &dyn Clock) {
        let _turn = self.turnstile.lock().await;
        while let Some(wait) = self.take(clock.elapsed()) {
            clock.sleep(wait).await;
        }
    }

    /// Closes the budget for everybody, until `duration` from now or longer if it is closed for longer already.
    pub(crate) fn close_for(&self, duration: Duration, clock: &dyn Clock) {
        let mut state = self.state.lock();
        state.closed_until = state.closed_until.max(clock.elapsed() + duration);
    }

    /// Takes one request out, or says how long to wait before asking again.
    fn take(&self, now: Duration) -> Option<Duration> {
        let mut state = self.state.lock();
        let closed = state.closed_until.saturating_sub(now);
        if !closed.is_zero() {
            return Some(closed);
        }
        let Rate::PerMinute(requests) = self.rate else { return None };
        let minute = Duration::from_secs(60);
        let full_at = state.full_at.max(now) + minute / requests.get();
        let wait = full_at.saturating_sub(now + minute);
        if wait.is_zero() {
            state.full_at = full_at;
            return None;
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_as_large_as_the_rate_and_then_an_even_flow() {
        let budget = Budget::new(Rate::per_minute(60));
        for request in 0..60 {
            assert_eq!(budget.take(seconds(0)), None, "{request}");
        }
        assert_eq!(budget.take(seconds(0)), Some(seconds(1)));
        assert_eq!(budget.take(seconds(1)), None);
        assert_eq!(budget.take(seconds(1)), Some(seconds(1)));
        assert_eq!(budget.take(seconds(1000)), None);
    }

    #[test]
    fn a_closed_budget_lets_nobody_through_whatever_the_rate() {
        for rate in [Rate::Unlimited, Rate::per_minute(60)] {
            let budget = Budget::new(rate);
            budget.state.lock().closed_until = seconds(30);
            assert_eq!(budget.take(seconds(10)), Some(seconds(20)));
            assert_eq!(budget.take(seconds(30)), None);
        }
    }

    #[test]
    fn unlimited_never_waits() {
        let budget = Budget::new(Rate::Unlimited);
        assert!((0..10_000).all(|_| budget.take(seconds(0)).is_none()));
    }
}

//! The time of a test: it stands still while anybody works, and jumps to the next timer when all of them wait.
//!
//! Invariant: with the same events, the same times come out, on any machine. (Chance is fixed, so that waits are.)

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Chance, Clock, Environment, Timestamp};
use tokio::time::Instant;

/// When a test begins that does not say: 2026-01-01T00:00:00Z.
const BEGINNING_MILLISECONDS: i64 = 1_767_225_600_000;

/// The clock of the runtime, which is paused.
struct Paused {
    beginning: Timestamp,
    start: Instant,
}

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.beginning.as_millis().saturating_add(passed))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Always the middle.
struct Even;

impl Chance for Even {
    fn next_u64(&self) -> u64 {
        u64::MAX / 2
    }
}

/// Time and chance of a test that begins at `now`. To be made inside a paused runtime.
pub(crate) fn environment(now: Option<Timestamp>) -> Environment {
    let beginning = now.unwrap_or(Timestamp::from_millis(BEGINNING_MILLISECONDS));
    Environment { clock: Arc::new(Paused { beginning, start: Instant::now() }), chance: Arc::new(Even) }
}

//! The real world: the machine's clock and a seeded generator. The only place of the engine that touches them.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the clock and the chance that everything else is given"
)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sluicebox_core::{Chance, Clock, Environment, Timestamp};

/// The machine's clock and chance seeded by the operating system.
pub fn system() -> Environment {
    Environment {
        clock: Arc::new(SystemClock { start: Instant::now() }),
        chance: Arc::new(SystemChance(Mutex::new(StdRng::from_rng(&mut rand::rng())))),
    }
}

struct SystemClock {
    start: Instant,
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct SystemChance(Mutex<StdRng>);

impl Chance for SystemChance {
    fn next_u64(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

//! What a component is built with in the tests of this crate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sluicebox_core::{Chance, Clock, Context, Delivery, Environment, RetryOptions, Shared, Timestamp};

/// The clock of the machine.
pub(crate) struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Chance for RealClock {
    fn next_u64(&self) -> u64 {
        7
    }
}

/// The context of the sink `broker` of the pipeline `orders`.
pub(crate) fn context(delivery: Delivery) -> Context {
    Context {
        pipeline: "orders".into(),
        component: "broker".into(),
        account: "".into(),
        folder: PathBuf::from("pipelines"),
        delivery,
        retry: RetryOptions::default(),
        environment: Environment {
            clock: Arc::new(RealClock::default()),
            chance: Arc::new(RealClock::default()),
        },
        shared: Shared::default(),
    }
}

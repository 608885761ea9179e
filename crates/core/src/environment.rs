//! Time and chance as traits, so that a simulator can own them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;

/// The time of day, a clock that never goes back, and sleep.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time of day; may jump.
    fn now(&self) -> Timestamp;
    /// Time since some fixed start; never goes back.
    fn elapsed(&self) -> Duration;
    /// Waits. Cancel-safe.
    async fn sleep(&self, duration: Duration);
}

/// Randomness for jitter. Not for secrets.
pub trait Chance: Send + Sync {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;

    /// A number in `0.0..1.0`.
    fn fraction(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits are exact in f64")]
        let fraction = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }
}

/// The outside world as components see it.
#[derive(Clone)]
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
}

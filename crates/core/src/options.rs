//! Options that every component of a kind has: `config` splits them off, the engine obeys them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{ByteSize, Period};

/// When a sink's batch is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchOptions {
    /// Most events in one write.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_events: usize,
    /// Most bytes in one write; a single larger event still goes alone.
    pub max_bytes: ByteSize,
    /// Longest wait for a fuller batch; it is written earlier whenever the sources above wait.
    pub max_wait: Period,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_events: 1000, max_bytes: ByteSize(1 << 20), max_wait: Period::from_secs(1) }
    }
}

/// How much may wait on the edge in front of a sink; a full edge blocks what is above it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BufferOptions {
    /// Most events waiting.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_events: usize,
    /// Most bytes waiting; a single larger event still passes.
    pub max_bytes: ByteSize,
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self { max_events: 1024, max_bytes: ByteSize(8 << 20) }
    }
}

/// How a retryable failure is tried again: exponential, with equal jitter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryOptions {
    /// First wait.
    pub initial: Period,
    /// Longest wait.
    pub max: Period,
    /// Give up after this time in all; unset: never (look-ups: 30 s).
    pub max_elapsed: Option<Period>,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { initial: Period::from_millis(500), max: Period::from_secs(60), max_elapsed: None }
    }
}

impl RetryOptions {
    /// The waits that these options ask for.
    pub fn backoff(&self) -> crate::Backoff {
        crate::Backoff::new(self.initial.0, self.max.0)
    }

    /// `max_elapsed`, or `default` where the file does not say.
    pub fn max_elapsed_or(&self, default: Duration) -> Duration {
        self.max_elapsed.map_or(default, |period| period.0)
    }
}

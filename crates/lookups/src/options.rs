//! Options that every look-up has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::Period;

/// What is remembered, and for how long. At most 64 MiB of answers are, whatever `max_entries` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheOptions {
    /// How long an answer is good.
    pub ttl: Period,
    /// Most answers remembered; the least used go first. 0: nothing is remembered.
    pub max_entries: u64,
    /// How long it is good that there is nothing, or that we may not see it (404, 403, no row).
    pub negative_ttl: Period,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { ttl: Period::from_secs(300), max_entries: 10_000, negative_ttl: Period::from_secs(60) }
    }
}

/// What becomes of an event that could not be enriched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on without the field.
    #[default]
    Pass,
    /// It becomes a dead letter with reason `lookup`.
    DeadLetter,
    /// It is discarded (counted as `filtered`).
    Drop,
}

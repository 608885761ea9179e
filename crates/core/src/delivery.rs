//! What a source can be asked again, and what a sink can promise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a source may be polled and what it can promise (the class decides, not the component).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceClass {
    /// The upstream keeps its events: the next page is fetched while this one is in flight.
    RetainedFeed,
    /// Asking for the next page may discard this one (or the retention is unknown): the next poll waits until this
    /// page is durable in every sink.
    ConfirmOnRead,
    /// A cursor made from a field of the records (`updated_at >= x`): overlap, at least once.
    RecordField,
    /// The upstream pushes: durable before it is answered.
    Push,
}

/// The delivery that a route is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Data and position are committed in one atomic unit.
    ExactlyOnce,
    /// Nothing is lost; a restart may repeat what was in flight.
    AtLeastOnce,
}

impl Delivery {
    /// The word of the pipeline file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}

/// What a configured sink can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverySupport {
    /// What it does unless told otherwise.
    pub default: Delivery,
    /// Whether `delivery: exactly_once` can be kept.
    pub exactly_once: bool,
    /// One clause that says why, for `check`: `rows and position share one SQLite transaction`.
    pub why: &'static str,
}

//! The envelope around an event: ours, read-only for rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Timestamp;

/// What Sluicebox knows of an event beside its JSON (`meta` in a rule).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Deterministic across redelivery: `opentrain:<account>:1042`; children `<parent>/<output>/<index>`.
    pub id: SmolStr,
    /// The event type as the upstream names it.
    #[serde(rename = "type")]
    pub event_type: SmolStr,
    /// Event time, as the upstream states it.
    pub time: Timestamp,
    /// The source component's name.
    pub source: Arc<str>,
    /// The account (partition) that it came from.
    pub account: Arc<str>,
    /// The ordering key: events of one key keep their order.
    pub key: SmolStr,
    /// When the page that held it was received.
    pub received: Timestamp,
    /// How each look-up of this event ended, by component name.
    #[serde(default)]
    pub lookups: BTreeMap<SmolStr, LookupStatus>,
}

/// How a look-up for one event ended; `meta.lookups.<component>.status` in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum LookupStatus {
    /// Answered; the answer is in the event.
    Ok,
    /// The thing does not exist (404).
    NotFound,
    /// We may not see it (403).
    Forbidden,
    /// No answer within the retry budget.
    Unavailable,
}

impl LookupStatus {
    /// The word that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}

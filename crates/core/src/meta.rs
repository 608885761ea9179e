//! The envelope around an event: ours, read-only for rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::{Reason, Timestamp};

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
    /// Set while a dead letter is replayed: what was tried before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Arc<Replay>>,
}

impl Meta {
    /// The envelope of an event of which nothing more is known: no type, both times zero, the account as its key.
    ///
    /// For struct update syntax: name what is known, and take the rest from here.
    ///
    /// ```
    /// # use sluicebox_core::Meta;
    /// let meta = Meta { event_type: "order.created".into(), ..Meta::new("feed", "main", "feed:main:1042") };
    /// assert_eq!((&*meta.account, meta.key.as_str()), ("main", "main"));
    /// ```
    pub fn new(source: impl Into<Arc<str>>, account: impl Into<Arc<str>>, id: impl Into<SmolStr>) -> Self {
        let account = account.into();
        Self {
            id: id.into(),
            event_type: SmolStr::default(),
            time: Timestamp::default(),
            source: source.into(),
            key: SmolStr::from(&*account),
            account,
            received: Timestamp::default(),
            lookups: BTreeMap::new(),
            replay: None,
        }
    }
}

/// What was tried with an event before it was replayed from the dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Attempts so far, over all replays.
    pub attempts: u32,
    /// The last failures, oldest first, at most [`Replay::FAILURES`].
    pub failures: Vec<PastFailure>,
}

impl Replay {
    /// How many failures are kept.
    pub const FAILURES: usize = 10;
}

/// One earlier end of an event as a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastFailure {
    /// When it became a dead letter.
    pub time: Timestamp,
    /// The component that gave up.
    pub component: SmolStr,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
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

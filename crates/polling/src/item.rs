//! From a raw item of a page to an event, or to a reject that becomes a dead letter.
//!
//! Invariant: the bytes of an item are a slice of the page, never a copy; ids are the same at every redelivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sluicebox_core::{Context, DeadLetterError, Event, Meta, Reason, Reject, Timestamp};
use smol_str::{SmolStr, format_smolstr};

/// What all events of one partition have in common.
#[derive(Clone)]
pub struct Origin {
    /// First part of every id: `opentrain`.
    family: SmolStr,
    source: Arc<str>,
    /// The account that the items come from.
    pub account: Arc<str>,
    account_key: SmolStr,
}

/// What an item says about itself.
pub struct Said<'a> {
    /// Its id, unique within the account.
    pub id: &'a str,
    /// What kind of event it is.
    pub event_type: &'a str,
    /// Event time; what is missing or odd is replaced by the time of receipt.
    pub time: Option<Timestamp>,
    /// Ordering key; the account if there is none.
    pub key: Option<&'a str>,
}

impl Origin {
    /// The origin of what a source reads; `family` begins every id.
    pub fn new(family: impl Into<SmolStr>, cx: &Context) -> Self {
        Self {
            family: family.into(),
            source: Arc::clone(&cx.component),
            account: Arc::clone(&cx.account),
            account_key: SmolStr::from(&*cx.account),
        }
    }

    /// The event of an item that said who it is.
    pub fn event(&self, raw: Bytes, said: &Said<'_>, received: Timestamp) -> Event {
        let meta = Meta {
            id: format_smolstr!("{}:{}:{}", self.family, self.account, said.id),
            event_type: said.event_type.into(),
            time: said.time.unwrap_or(received),
            source: Arc::clone(&self.source),
            account: Arc::clone(&self.account),
            key: said.key.map_or_else(|| self.account_key.clone(), SmolStr::from),
            received,
            lookups: BTreeMap::new(),
            replay: None,
        };
        Event::from_validated(raw, meta)
    }

    /// The reject of an item that did not; its id is made from its bytes.
    pub fn reject(&self, raw: Bytes, why: &str, received: Timestamp) -> Reject {
        let digest = Sha256::digest(&raw);
        let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        let id = format!("parse:{hash:016x}");
        let said = Said { id: &id, event_type: "", time: None, key: None };
        Reject {
            event: self.event(raw, &said, received),
            reason: Reason::Parse,
            error: DeadLetterError::new(why),
        }
    }
}

/// The bytes of an item as a slice of its page.
pub fn slice(page: &Bytes, item: &RawValue) -> Bytes {
    page.slice_ref(item.get().as_bytes())
}

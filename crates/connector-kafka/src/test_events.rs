//! Events for the tests of this crate.

use std::collections::BTreeMap;

use bytes::Bytes;
use sluicebox_core::{Event, Meta, Timestamp};

/// An event of the account `a` with this number.
pub(crate) fn event(number: usize, json: &str) -> Event {
    let meta = Meta {
        id: format!("opentrain:a:{number}").into(),
        event_type: "payment.created".into(),
        time: Timestamp::from_millis(1_781_258_404_120),
        source: "feed".into(),
        account: "a".into(),
        key: "k".into(),
        received: Timestamp::from_millis(1_781_258_405_000),
        lookups: BTreeMap::new(),
        replay: None,
    };
    Event::parse(&Bytes::from(json.to_owned()), meta).unwrap()
}

/// An event of this key.
pub(crate) fn keyed(number: usize, key: &str) -> Event {
    let mut event = event(number, r#"{"n":1}"#);
    event.meta_mut().key = key.into();
    event
}

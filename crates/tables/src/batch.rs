//! The events of one window with everything that their rows borrow.

use std::collections::HashMap;

use bytes::Bytes;
use sluicebox_core::{Event, Timestamp};

/// The events of one window, their texts, and what all of its rows share. Rows borrow from it.
pub struct RowBatch<'e> {
    events: &'e [Event],
    /// The JSON of each event.
    texts: Vec<Bytes>,
    pub(crate) pipeline: &'e str,
    pub(crate) loaded_at: Moment,
    /// Events of one page are received at one time, so it is written once for them.
    received: HashMap<Timestamp, String>,
}

/// A time that many rows share, with its text.
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    pub(crate) text: String,
}

impl<'e> RowBatch<'e> {
    /// The batch of `events`, loaded now by `pipeline`.
    pub fn new(events: &'e [Event], pipeline: &'e str, loaded_at: Timestamp) -> Self {
        let mut received = HashMap::new();
        for event in events {
            let time = event.meta().received;
            received.entry(time).or_insert_with(|| time.to_string());
        }
        let loaded_at = Moment { time: loaded_at, text: loaded_at.to_string() };
        Self { events, texts: events.iter().map(Event::json).collect(), pipeline, loaded_at, received }
    }

    /// The events in order.
    pub fn events(&self) -> &'e [Event] {
        self.events
    }

    /// The JSON of the event at `index`, as its bytes.
    pub(crate) fn text(&self, index: usize) -> &Bytes {
        &self.texts[index]
    }

    /// When the event was received, as text.
    pub(crate) fn received_text(&self, event: &Event) -> Option<&str> {
        self.received.get(&event.meta().received).map(String::as_str)
    }
}

//! The events of one window with everything that their rows borrow.

use bytes::Bytes;
use sluicebox_core::{Event, Timestamp};

/// The events of one window, their texts, and what all of its rows share. Rows borrow from it.
pub struct RowBatch<'e> {
    events: &'e [Event],
    /// The JSON of each event.
    texts: Vec<Bytes>,
    pub(crate) pipeline: &'e str,
    pub(crate) loaded_at: Moment,
    /// When they were received: events of one page share it, so it is written once for them.
    received: Vec<Moment>,
    /// Which of these times is that of each event.
    received_at: Vec<usize>,
}

/// A time that many rows share, with its text.
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    pub(crate) text: String,
}

impl<'e> RowBatch<'e> {
    /// The batch of `events`, loaded now by `pipeline`.
    pub fn new(events: &'e [Event], pipeline: &'e str, loaded_at: Timestamp) -> Self {
        let mut received: Vec<Moment> = Vec::new();
        let mut received_at = Vec::with_capacity(events.len());
        for event in events {
            let time = event.meta().received;
            if received.last().is_none_or(|last| last.time != time) {
                received.push(Moment::new(time));
            }
            received_at.push(received.len() - 1);
        }
        let texts = events.iter().map(Event::json).collect();
        Self { events, texts, pipeline, loaded_at: Moment::new(loaded_at), received, received_at }
    }

    /// The events in order.
    pub fn events(&self) -> &'e [Event] {
        self.events
    }

    /// The JSON of the event at `index`, as its bytes.
    pub(crate) fn text(&self, index: usize) -> &Bytes {
        &self.texts[index]
    }

    /// When the event at `index` was received.
    pub(crate) fn received(&self, index: usize) -> &Moment {
        &self.received[self.received_at[index]]
    }
}

impl Moment {
    fn new(time: Timestamp) -> Self {
        Self { time, text: time.to_string() }
    }
}

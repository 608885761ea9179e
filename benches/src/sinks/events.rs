//! The events of both sides: for the bare loops made beforehand, for the program as options of its `generate` source.
//!
//! Invariant: an event has 1 KiB on both sides, and the same fields. Their text is the same in every event, so whatever
//! compresses finds little to send; the benchmark compresses nowhere unless it is told to.

use std::ops::Deref;
use std::time::SystemTime;

use serde_json::value::{RawValue, to_raw_value};

use super::WINDOW;
use crate::Outcome;

/// Bytes of an event's text, so that the whole of it has about 1 KiB.
const TEXT_BYTES: usize = 930;

/// Windows that lie ready; a loop takes them round and round. Together they are larger than a processor's caches.
const WINDOWS: u64 = 64;

/// What a sink writes of an event: its JSON, and the envelope beside it.
pub(crate) struct Ready {
    pub(crate) id: String,
    pub(crate) time: SystemTime,
    pub(crate) json: Box<RawValue>,
}

/// The fields of the envelope that are the same for all, as long as the program's.
pub(crate) const SOURCE: &str = "feed";
pub(crate) const EVENT_TYPE: &str = "generated";
pub(crate) const PIPELINE: &str = "sinks";
pub(crate) const KEY: &str = "feed";

/// Events that lie ready, in windows.
pub(crate) struct Prepared {
    events: Vec<Ready>,
    /// Whether a loop makes every window anew, when it comes to it.
    makes: bool,
}

/// The events of one window.
pub(crate) enum Window<'a> {
    Ready(&'a [Ready]),
    Made(Vec<Ready>),
}

impl Deref for Window<'_> {
    type Target = [Ready];

    fn deref(&self) -> &[Ready] {
        match self {
            Self::Ready(events) => events,
            Self::Made(events) => events,
        }
    }
}

impl Prepared {
    /// Makes them, which takes a moment. With `makes` a loop makes its windows itself, as the program does.
    pub(crate) fn new(makes: bool) -> Outcome<Self> {
        let text = text();
        // Records of long ago would be deleted by Kafka as soon as it looks.
        let time = SystemTime::now();
        let last = WINDOWS * WINDOW as u64;
        let events = (1..=last).map(|sequence| event(sequence, time, &text)).collect::<Outcome<_>>()?;
        Ok(Self { events, makes })
    }

    /// Whole windows of `total` events, with how many events have gone by at the end of each.
    pub(crate) fn windows(&self, total: u64) -> impl Iterator<Item = (u64, Window<'_>)> {
        let text = text();
        let window = move |number: u64, ready| {
            let count = number * WINDOW as u64;
            if !self.makes {
                return (count, Window::Ready(ready));
            }
            let first = count - WINDOW as u64 + 1;
            let made = (first..=count).map(|sequence| event(sequence, SystemTime::now(), &text));
            (count, Window::Made(made.collect::<Outcome<_>>().unwrap_or_default()))
        };
        let ready = self.events.chunks(WINDOW).cycle();
        (1..=total / WINDOW as u64).zip(ready).map(move |(number, ready)| window(number, ready))
    }
}

fn event(sequence: u64, time: SystemTime, text: &str) -> Outcome<Ready> {
    let json = serde_json::json!({
        "sequence": sequence, "type": EVENT_TYPE, "createdAt": "2026-06-12T10:00:04.120Z", "text": text
    });
    Ok(Ready { id: format!("generate::{sequence}"), time, json: to_raw_value(&json)? })
}

/// The `generate` source of the program, as YAML on one line: as fast as it can.
pub(crate) fn source(total: u64) -> String {
    format!("{{ type: generate, count: {total}, rate: 1000000, fields: {{ text: \"{}\" }} }}", text())
}

/// Letters and digits without any pattern that a compressor would find in one event.
fn text() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut letter = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::from(state.to_be_bytes()[0] >> 3)])
    };
    (0..TEXT_BYTES).map(|_| letter()).collect()
}

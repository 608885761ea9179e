//! What one poll brings: events of one partition and the cursor after them.

use std::time::Duration;

use crate::{Cursor, DeadLetterError, Event, Reason, Timestamp};

/// One page of one partition.
#[derive(Debug)]
pub struct Batch {
    /// The events in feed order.
    pub events: Vec<Event>,
    /// Items of the page that are not events (not an object, no id): they become dead letters, the page goes on.
    pub rejects: Vec<Reject>,
    /// Items that are still raw JSON; the engine reads them beside the next poll.
    pub unread: Option<Unread>,
    /// Where the source stands after this page, whole: `None` means "no cursor". Saved once every event is settled.
    pub cursor: Option<Cursor>,
    /// When to ask again.
    pub pace: Pace,
    /// Whether the feed had nothing more at that moment; `run --once` ends when every source is caught up.
    pub caught_up: bool,
    /// A stretch of the feed that is known to be out of reach.
    pub gap: Option<Gap>,
}

impl Batch {
    /// An empty page that leaves the source at `cursor`.
    pub fn empty(cursor: Option<Cursor>) -> Self {
        Self {
            events: Vec::new(),
            rejects: Vec::new(),
            unread: None,
            cursor,
            pace: Pace::Immediately,
            caught_up: false,
            gap: None,
        }
    }
}

impl Batch {
    /// How many items the page holds, read or not.
    pub fn len(&self) -> usize {
        self.events.len() + self.rejects.len() + self.unread.as_ref().map_or(0, |unread| unread.count)
    }

    /// Whether the page holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The page with every item read.
    #[must_use]
    pub fn read(mut self) -> Self {
        if let Some(unread) = self.unread.take() {
            let (events, rejects) = (unread.read)();
            self.events.extend(events);
            self.rejects.extend(rejects);
        }
        self
    }
}

/// Items of a page that are still raw JSON.
///
/// Making events of a long page takes as long as fetching the next one. A retained feed that knows where the page
/// ends hands the rest of the work over like this, and the engine does it while the next poll is under way.
pub struct Unread {
    /// How many items there are. Each becomes one event, one reject, or nothing.
    pub count: usize,
    /// Bytes that they hold in memory.
    pub bytes: usize,
    /// Makes events and rejects of them, both in feed order.
    pub read: ReadItems,
}

/// What turns raw items into events and rejects.
pub type ReadItems = Box<dyn FnOnce() -> (Vec<Event>, Vec<Reject>) + Send>;

impl std::fmt::Debug for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unread({} items, {} bytes)", self.count, self.bytes)
    }
}

/// When the source wants to be asked for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once: there is more, or the poll itself waits.
    Immediately,
    /// Not before this time has passed; jitter is already in it.
    After(Duration),
}

/// A page item that could not become an event.
#[derive(Debug)]
pub struct Reject {
    /// The raw item with the envelope that could be made for it.
    pub event: Event,
    /// Why (`parse` for malformed items).
    pub reason: Reason,
    /// What exactly was wrong.
    pub error: DeadLetterError,
}

/// Events that the upstream no longer offers: logged as an error, counted in `sluicebox_source_gap_total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The cursor that is no longer accepted.
    pub lost_cursor: Option<Cursor>,
    /// Event time of the last event seen before the gap.
    pub last_seen: Option<Timestamp>,
    /// A sentence for the log.
    pub message: String,
}

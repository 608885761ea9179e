//! The contract of resumable sinks: what was written after a mark is undone, and nothing else.
//!
//! Invariant: marks are taken and given back as the checkpoint does it: bytes that only the sink understands.

use async_trait::async_trait;
use sluicebox_core::{Event, ResumableSink};

use crate::{Tally, event};

/// Windows that are written, and then undone one after the other.
const WINDOWS: usize = 4;

/// A place that a resumable sink writes to, empty at first.
#[async_trait]
pub trait MarkedShelf: Send {
    /// Builds the sink on this place, as the start of a process does.
    async fn sink(&mut self) -> Box<dyn ResumableSink>;

    /// Everything that is there, in order, one text for each event, read by other code than the sink's.
    async fn arrived(&mut self) -> Vec<String>;

    /// An event that the suite writes: the number, in whatever this place takes.
    fn event(&self, number: usize) -> Event {
        event(number, &format!("{{\"number\":{number}}}"))
    }

    /// What should be there of an event; the JSON, unless this is no place for that.
    fn expected(&self, event: &Event) -> String {
        String::from_utf8_lossy(&event.json()).into_owned()
    }
}

/// Proves that a resumable sink keeps its contract.
///
/// 1. After `Ok`, every event is there, and the mark names that state.
/// 2. An instance that is built anew and restored to a mark undoes what came after it, however often that is done, and
///    goes on from there.
/// 3. The first instance, restored to no mark, undoes all that it wrote. (The engine saves the mark that it has before the
///    first write, so no other instance is ever without one.)
///
/// # Panics
/// If it breaks one.
pub async fn resumable_sink(shelf: &mut dyn MarkedShelf) -> Tally {
    let mut sink = shelf.sink().await;
    for attempt in 0..2 {
        restore(&mut *sink, None).await;
        assert!(shelf.arrived().await.is_empty(), "restored to no mark: nothing is left");
        write(shelf, &mut *sink, attempt).await;
    }
    restore(&mut *sink, None).await;
    let (mut marks, mut there) = (vec![sink.mark()], Vec::new());
    for number in 0..WINDOWS {
        there.push(write(shelf, &mut *sink, number).await);
        marks.push(sink.mark());
        assert_eq!(shelf.arrived().await, there, "after `Ok`, all of it is there");
    }
    drop(sink);
    for (number, mark) in marks.iter().enumerate().rev() {
        there.truncate(number);
        for attempt in 0..2 {
            let mut sink = shelf.sink().await;
            restore(&mut *sink, Some(mark)).await;
            assert_eq!(
                shelf.arrived().await,
                there,
                "restored to mark {number}: what came after it is undone"
            );
            let more = write(shelf, &mut *sink, 100 * number + attempt).await;
            let with_more: Vec<String> = there.iter().cloned().chain([more]).collect();
            assert_eq!(shelf.arrived().await, with_more, "restored to mark {number}: it goes on from there");
        }
    }
    Tally { events: WINDOWS, pages: WINDOWS, restarts: 2 * marks.len(), ..Tally::default() }
}

async fn restore(sink: &mut dyn ResumableSink, mark: Option<&Vec<u8>>) {
    let restored = sink.restore(mark.map(Vec::as_slice)).await;
    restored.unwrap_or_else(|error| panic!("restore: {}", error.chain()));
}

/// Writes one event; what should be there of it.
async fn write(shelf: &mut dyn MarkedShelf, sink: &mut dyn ResumableSink, number: usize) -> String {
    let event = shelf.event(number);
    let written = sink.write(std::slice::from_ref(&event)).await;
    let written = written.unwrap_or_else(|error| panic!("write: nothing is broken: {}", error.chain()));
    assert!(written.rejected.is_empty(), "nothing is wrong with {}", event.meta().id);
    shelf.expected(&event)
}

#[cfg(test)]
mod tests;

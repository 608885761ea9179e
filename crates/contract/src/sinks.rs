//! The contract of sinks that write: `Ok` means that it is there, what is rejected is not, and another instance goes on.
//!
//! Invariant: what arrived is read by other code than the sink's.

use std::collections::HashSet;

use async_trait::async_trait;
use sluicebox_core::{Event, Sink};

use crate::{Tally, event};

/// Events of one batch.
const BATCH: usize = 7;

/// A place that a sink writes to, empty at first.
#[async_trait]
pub trait Shelf: Send {
    /// Builds the sink on this place, as the start of a process does.
    async fn sink(&mut self) -> Box<dyn Sink>;

    /// Everything that has arrived, in order of arrival, one text for each event, read by other code than the sink's.
    async fn arrived(&mut self) -> Vec<String>;

    /// An event that the suite writes: the number, in whatever this place takes.
    fn event(&self, number: usize) -> Event {
        event(number, &format!("{{\"number\":{number}}}"))
    }

    /// What should arrive of an event; the JSON, unless this is no place for that.
    fn expected(&self, event: &Event) -> String {
        String::from_utf8_lossy(&event.json()).into_owned()
    }

    /// An event that this place refuses for good; `None` if it takes everything.
    fn refused(&self) -> Option<Event> {
        None
    }
}

/// Proves that a sink which writes keeps its contract.
///
/// 1. After `Ok`, every event of the batch has arrived, in order, once, whatever its size; also from an empty batch.
/// 2. A refused event is named by its index, with a class that says that waiting will not help; the others arrive.
/// 3. An instance built anew adds to what is there.
/// 4. `close` loses nothing.
///
/// # Panics
/// If it breaks one.
pub async fn sink(shelf: &mut dyn Shelf) -> Tally {
    let mut expected = Vec::new();
    let mut pages = 0;
    for instance in 0..2 {
        let mut sink = shelf.sink().await;
        for size in [0, 1, BATCH] {
            let events: Vec<Event> = (0..size).map(|at| shelf.event(expected.len() + at)).collect();
            write(&mut *sink, &events, None).await;
            expected.extend(events.iter().map(|event| shelf.expected(event)));
            assert_eq!(
                shelf.arrived().await,
                expected,
                "after `Ok`, instance {instance}: all of it, in order, once"
            );
            pages += 1;
        }
        if let Some(refused) = shelf.refused() {
            let (before, after) = (shelf.event(expected.len()), shelf.event(expected.len() + 1));
            expected.extend([&before, &after].map(|event| shelf.expected(event)));
            write_around(&mut *sink, [before, refused, after]).await;
            assert_eq!(
                shelf.arrived().await,
                expected,
                "what is beside a refused event arrives, and it does not"
            );
        }
        let closed = sink.close().await;
        closed.unwrap_or_else(|error| panic!("close: {}", error.chain()));
        drop(sink);
        assert_eq!(shelf.arrived().await, expected, "`close` loses nothing and adds nothing");
    }
    Tally { events: expected.len(), pages, restarts: 1, ..Tally::default() }
}

/// Writes a batch with one event that is refused: by itself in the batch, or the whole batch, which the engine then halves.
async fn write_around(sink: &mut dyn Sink, [before, refused, after]: [Event; 3]) {
    let events = [before, refused, after];
    match sink.write(&events).await {
        Ok(written) => assert_rejected(&written.rejected, 1),
        Err(error) => {
            let law =
                format!("a batch with an event that cannot be written is `permanent`: {}", error.chain());
            assert_eq!(error.class(), sluicebox_core::ErrorClass::Permanent, "{law}");
            write(sink, &events[..1], None).await;
            write(sink, &events[1..2], Some(0)).await;
            write(sink, &events[2..], None).await;
        }
    }
}

/// Writes events, all of them but perhaps one.
async fn write(sink: &mut dyn Sink, events: &[Event], refused: Option<usize>) {
    match (sink.write(events).await, refused) {
        (Ok(written), None) => {
            let rejected: HashSet<usize> = written.rejected.iter().map(|rejected| rejected.index).collect();
            assert!(rejected.is_empty() && written.stopped.is_none(), "nothing is wrong with {rejected:?}");
        }
        (Ok(written), Some(index)) => assert_rejected(&written.rejected, index),
        (Err(error), Some(_)) if !error.class().is_retryable() => {}
        (Err(error), _) => panic!("write: nothing is broken: {}", error.chain()),
    }
}

fn assert_rejected(rejected: &[sluicebox_core::Rejected], index: usize) {
    let named: Vec<usize> = rejected.iter().map(|rejected| rejected.index).collect();
    assert_eq!(named, [index], "the refused event is named by its index, and no other");
    assert!(
        rejected.iter().all(|it| !it.error.class().is_retryable()),
        "waiting does not help a refused event"
    );
}

#[cfg(test)]
mod tests;

//! What components show of themselves without the other side being there: for tests of a pipeline.
//!
//! A test replaces the ends of a pipeline. Invariant: what stands here reaches no network, and for the same events it
//! says the same as the component that runs.

use serde_json::Value;

use crate::{Error, Event, Result};

/// Puts events into the messages of a sink, without its destination.
pub trait Rendering: Send {
    /// The messages for a batch, in the order in which they would leave. Every event is in at least one of them.
    fn render(&mut self, events: &[Event]) -> Vec<Rendered>;
}

/// One message of a sink.
#[derive(Debug)]
pub struct Rendered {
    /// The events that it speaks of, as indices into the batch.
    pub events: Vec<usize>,
    /// The message, or why these events make none.
    pub shown: Result<Shown, Error>,
}

/// What is to be seen of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// The event is put into other words: the message as its destination gets it, a map.
    Message(Value),
    /// The event goes as it is: where it goes, a map.
    Address(Value),
}

/// A rendering of each event by itself.
pub fn each_event(show: impl FnMut(&Event) -> Result<Shown> + Send + 'static) -> Box<dyn Rendering> {
    Box::new(EachEvent(show))
}

struct EachEvent<F>(F);

impl<F: FnMut(&Event) -> Result<Shown> + Send> Rendering for EachEvent<F> {
    fn render(&mut self, events: &[Event]) -> Vec<Rendered> {
        let one = |(index, event)| Rendered { events: vec![index], shown: (self.0)(event) };
        events.iter().enumerate().map(one).collect()
    }
}

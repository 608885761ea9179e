//! A sink that writes down what it takes, after the faults of the test.
//!
//! Invariant: an event is written down once, when the sink it stands for would have had it durable.

use async_trait::async_trait;
use sluicebox_config::GivenFault;
use sluicebox_core::{
    AnySink, BuiltSink, CheckContext, Context, DeliverySupport, Event, Problem, Rejected, Rendered,
    Rendering, Result, Sink, Written,
};
use smol_str::SmolStr;

use crate::fault::{Pending, is_id};
use crate::ledger::{Ledger, Taken};

/// Stands for the sink of a plan.
pub(crate) struct RecordingSpec {
    /// `None` for what gathers the output of a transform.
    pub(crate) inner: Option<Box<dyn AnySink>>,
    pub(crate) faults: Vec<GivenFault>,
    pub(crate) ledger: Ledger,
}

#[async_trait]
impl AnySink for RecordingSpec {
    fn delivery(&self) -> DeliverySupport {
        let none = DeliverySupport {
            default: sluicebox_core::Delivery::AtLeastOnce,
            exactly_once: false,
            why: "it is the end of a test",
        };
        self.inner.as_ref().map_or(none, |inner| inner.delivery())
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSink> {
        let rendering = self.inner.as_ref().map(|inner| inner.rendering()).transpose()?.flatten();
        Ok(BuiltSink::Plain(Box::new(Recording {
            name: SmolStr::new(&cx.component),
            rendering,
            faults: self.faults.into_iter().map(Pending::new).collect(),
            ledger: self.ledger,
        })))
    }
}

struct Recording {
    name: SmolStr,
    rendering: Option<Box<dyn Rendering>>,
    faults: Vec<Pending>,
    ledger: Ledger,
}

impl Recording {
    /// The first fault of the whole sink that is left.
    fn whole(&mut self) -> Option<&mut Pending> {
        self.faults.iter_mut().find(|pending| pending.left > 0 && pending.fault.event.is_none())
    }

    /// The events that a fault is about, each with its error, and what follows one of them in its key if it will be
    /// tried again.
    fn refused(&mut self, events: &[Event]) -> Vec<Rejected> {
        let mut rejected: Vec<Rejected> = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let before = rejected.iter().find(|earlier| {
                let waits = earlier.error.class().is_retryable();
                waits && events[earlier.index].meta().key == event.meta().key
            });
            if let Some(earlier) = before {
                let error = sluicebox_core::Error::new(earlier.error.class(), earlier.error.to_string());
                rejected.push(Rejected { index, error });
                continue;
            }
            let about = |pending: &&mut Pending| {
                let named = pending.fault.event.as_deref();
                pending.left > 0 && named.is_some_and(|id| is_id(id, event.meta()))
            };
            if let Some(pending) = self.faults.iter_mut().find(about) {
                let error = pending.strike(format_args!("the sink `{}`", self.name));
                rejected.push(Rejected { index, error });
            }
        }
        rejected
    }
}

#[async_trait]
impl Sink for Recording {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let name = self.name.clone();
        if let Some(pending) = self.whole() {
            return Err(pending.strike(format_args!("the sink `{name}`")));
        }
        let mut rejected = self.refused(events);
        let places: Vec<usize> =
            (0..events.len()).filter(|index| !rejected.iter().any(|one| one.index == *index)).collect();
        let accepted: Vec<Event> = places.iter().map(|index| events[*index].clone()).collect();
        let Some(rendering) = &mut self.rendering else {
            for event in accepted {
                self.ledger.take(&self.name, Taken { events: vec![event], shown: None });
            }
            return Ok(Written::but(rejected));
        };
        for Rendered { events, shown } in rendering.render(&accepted) {
            match shown {
                Ok(shown) => {
                    let events = events.iter().map(|index| accepted[*index].clone()).collect();
                    self.ledger.take(&self.name, Taken { events, shown: Some(shown) });
                }
                Err(error) => {
                    // One error for one event: a message of several is refused for the first, the others come again.
                    rejected.extend(events.first().map(|index| Rejected { index: places[*index], error }));
                }
            }
        }
        Ok(Written::but(rejected))
    }
}

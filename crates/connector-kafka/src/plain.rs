//! The `kafka` sink at least once: an idempotent producer, and every report awaited.
//!
//! Invariant: a record that is on its way stays on its way, however long the brokers are away, so that librdkafka sends
//! it again under the same number and nothing is reordered or written twice. A write that ends before its reports are in
//! is taken up again by the next one.

use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Error, Event, Rejected, Result, Sink, Written};
use smol_str::SmolStr;

use crate::beside::Beside;
use crate::fault::is_about_a_record;
use crate::producer::Producer;
use crate::record::Texts;
use crate::setup::Setup;
use crate::verdict::{Packing, Verdict};

/// Writes batches, acknowledged by all replicas.
pub(crate) struct PlainSink {
    writer: Beside<Writer>,
}

impl PlainSink {
    pub(crate) fn new(setup: Setup) -> Self {
        let (clock, watchdog) = (Arc::clone(&setup.clock), setup.watchdog());
        Self { writer: Beside::new(Writer::new(setup), clock, watchdog) }
    }
}

#[async_trait]
impl Sink for PlainSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let events = events.to_vec();
        self.writer.run(move |writer, _| writer.write(&events)).await
    }

    async fn close(&mut self) -> Result<()> {
        self.writer.run(|writer, _| writer.close()).await
    }
}

/// The blocking half.
struct Writer {
    setup: Setup,
    packing: Packing,
    producer: Option<Producer>,
    pending: Option<Pending>,
}

/// A batch whose reports are not all in.
struct Pending {
    ids: Vec<SmolStr>,
    /// What could not even be made a record.
    rejected: Vec<Rejected>,
}

impl Pending {
    fn is_of(&self, events: &[Event]) -> bool {
        self.ids.len() == events.len()
            && self.ids.iter().zip(events).all(|(id, event)| *id == event.meta().id)
    }
}

impl Writer {
    fn new(setup: Setup) -> Self {
        let packing = setup.packing();
        Self { setup, packing, producer: None, pending: None }
    }

    fn write(&mut self, events: &[Event]) -> Result<Written> {
        let resumed = self.pending.take().filter(|pending| pending.is_of(events));
        if resumed.is_none() && self.producer.as_ref().is_some_and(|producer| producer.outstanding() > 0) {
            // The batch before this one will not come again as it was: its reports have no meaning any more.
            self.producer = None;
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => Producer::new(&self.setup.idempotent(self.packing))?,
        };
        let pending = resumed.unwrap_or_else(|| self.send(&producer, events));
        if !producer.settle(self.setup.timeout) {
            let message = format!(
                "the brokers at {} have not acknowledged {} records",
                self.setup.address,
                producer.outstanding()
            );
            let error = producer.trouble().explain(&message);
            self.producer = Some(producer);
            self.pending = Some(pending);
            return Err(error);
        }
        let verdict = Verdict::of(producer.take_failed(), events, &self.setup.recipe, self.packing);
        if !producer.is_dead() {
            self.producer = Some(producer);
        }
        self.conclude(events, pending.rejected, verdict)
    }

    /// Puts every record into the queue, in order.
    fn send(&self, producer: &Producer, events: &[Event]) -> Pending {
        let mut rejected = Vec::new();
        let mut texts = Texts::default();
        for (index, event) in events.iter().enumerate() {
            let error = match self.setup.recipe.record(event, &mut texts) {
                Err(error) => error,
                Ok(record) => {
                    let size = record.size();
                    match producer.send(record, index) {
                        Ok(()) => continue,
                        Err(code) => self.setup.refusal_of_send(code, size),
                    }
                }
            };
            rejected.push(Rejected { index, error });
        }
        Pending { ids: events.iter().map(|event| event.meta().id.clone()).collect(), rejected }
    }

    fn conclude(
        &mut self,
        events: &[Event],
        refused: Vec<Rejected>,
        mut verdict: Verdict,
    ) -> Result<Written> {
        for Rejected { index, error } in refused {
            if error.class().is_retryable() {
                verdict.again.push(Rejected { index, error });
            } else if is_about_a_record(&error) {
                verdict.guilty.push(Rejected { index, error });
            } else {
                verdict.stop.get_or_insert(error);
            }
        }
        self.repack(verdict.crowded.as_deref());
        if let Some(error) = verdict.stop {
            return Err(error);
        }
        verdict.keep_order(events);
        if !events.is_empty() && verdict.again.len() == events.len() {
            return Err(verdict.again.swap_remove(0).error);
        }
        let mut rejected = verdict.guilty;
        rejected.append(&mut verdict.again);
        Ok(Written::but(rejected))
    }

    /// After a request that was too large for its topic: smaller requests, if the topic says how small, else one by one
    /// until a write has gone well.
    fn repack(&mut self, crowded: Option<&str>) {
        let packing = match crowded {
            None => Packing { alone: false, ..self.packing },
            Some(topic) => self.setup.repacked(self.packing, topic),
        };
        if packing != self.packing {
            self.packing = packing;
            self.producer = None;
        }
    }

    fn close(&mut self) -> Result<()> {
        let Some(producer) = self.producer.take() else { return Ok(()) };
        // What is still on its way was never acknowledged; it may get a last chance, and is written again otherwise.
        if producer.outstanding() > 0 && !producer.settle(self.setup.timeout) {
            return Err(Error::transient(format!("{} records were given up", producer.outstanding())));
        }
        Ok(())
    }
}

//! One Kafka transaction, step by step, with what each step's failure means for the producer. Blocks.

use std::collections::HashSet;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use sluicebox_core::{Error, Event, Rejected};
use smol_str::SmolStr;

use crate::fault::call_error;
use crate::ledger::Entry;
use crate::producer::Producer;
use crate::record::{Record, Texts};
use crate::setup::Setup;

/// Why a transaction did not end well.
pub(crate) enum Failure {
    /// It was aborted; the producer lives.
    Aborted(Error),
    /// The producer is of no use any more; nothing was committed.
    Broken(Error),
    /// The producer is of no use any more, and nobody knows whether it was committed.
    Unknown(Error),
}

impl Failure {
    /// The reason, whatever it means for the producer.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Aborted(error) | Self::Broken(error) | Self::Unknown(error) => error,
        }
    }
}

/// What became of events on their way into the queue.
#[derive(Default)]
pub(crate) struct Sent {
    /// Events that cannot be records.
    pub(crate) rejected: Vec<Rejected>,
    /// A failure was reported before all were sent: the rest was not taken.
    pub(crate) is_cut_short: bool,
}

/// The open transaction of a producer.
pub(crate) struct Transaction<'a> {
    pub(crate) producer: &'a Producer,
    pub(crate) setup: &'a Setup,
}

impl Transaction<'_> {
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        let begun = self.producer.inner().begin_transaction();
        begun.map_err(|error| Failure::Broken(self.explain(&error, "begin a transaction")))
    }

    /// A whole transaction of one record.
    pub(crate) fn of_one(&self, topic: &str, entry: &Entry) -> Result<(), Failure> {
        self.begin()?;
        self.send(topic, entry, 0)?;
        self.settle()?;
        match self.producer.take_failed().first() {
            None => self.commit(),
            Some((_, code)) => {
                let attempt = format!("write to the topic `{topic}`");
                Err(Failure::Broken(self.explain(&KafkaError::MessageProduction(*code), &attempt)))
            }
        }
    }

    /// Puts the events into the queue, in order, but those to skip.
    pub(crate) fn send_events(&self, events: &[Event], skip: Option<&HashSet<SmolStr>>) -> Sent {
        let mut sent = Sent::default();
        let mut texts = Texts::default();
        for (index, event) in events.iter().enumerate() {
            if skip.is_some_and(|skip| skip.contains(&event.meta().id)) {
                continue;
            }
            let error = match self.setup.recipe.record(event, &mut texts) {
                Err(error) => error,
                Ok(record) => {
                    let size = record.size();
                    match self.producer.send(record, index) {
                        Ok(()) => continue,
                        Err(code) if is_of_the_transaction(code) => {
                            sent.is_cut_short = true;
                            break;
                        }
                        Err(code) => self.setup.refusal_of_send(code, size),
                    }
                }
            };
            sent.rejected.push(Rejected { index, error });
        }
        sent
    }

    /// Puts a record of our own into the queue, in the one partition that is read.
    pub(crate) fn send(&self, topic: &str, entry: &Entry, index: usize) -> Result<(), Failure> {
        let record = Record {
            topic,
            partition: Some(0),
            key: Some(entry.key.as_bytes()),
            value: entry.value.clone(),
            headers: None,
            time: 0,
        };
        self.producer.send(record, index).map_err(|code| {
            let attempt = format!("write to the topic `{topic}`");
            Failure::Broken(self.explain(&KafkaError::MessageProduction(code), &attempt))
        })
    }

    /// Waits for every report, or for a failure; what failed is asked for afterwards.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        if self.producer.settle_transaction(self.setup.timeout) {
            return Ok(());
        }
        // Nobody has asked for a commit, so nothing is in doubt: the brokers abort it at the latest when we come again.
        let message = format!(
            "the brokers at {} have not acknowledged {} records of a transaction",
            self.setup.address,
            self.producer.outstanding()
        );
        Err(Failure::Broken(self.producer.trouble().explain(&message)))
    }

    /// Ends the transaction for good.
    pub(crate) fn commit(&self) -> Result<(), Failure> {
        self.producer.wait_until_forgotten();
        let Err(error) = self.producer.inner().commit_transaction(self.setup.timeout) else { return Ok(()) };
        let described = self.explain(&error, "commit a transaction");
        match &error {
            // The brokers were not asked yet, or have said no.
            KafkaError::Transaction(error) if error.txn_requires_abort() => {
                self.abort()?;
                Err(Failure::Aborted(described))
            }
            _ => Err(Failure::Unknown(described)),
        }
    }

    /// Takes everything back.
    pub(crate) fn abort(&self) -> Result<(), Failure> {
        let aborted = self.producer.inner().abort_transaction(self.setup.timeout);
        aborted.map_err(|error| Failure::Broken(self.explain(&error, "abort a transaction")))?;
        // The reports of what was purged mean nothing.
        self.producer.settle(self.setup.timeout);
        self.producer.take_failed();
        Ok(())
    }

    /// Why the producer can never be used again.
    pub(crate) fn death(&self) -> Error {
        let fatal = self.producer.inner().client().fatal_error();
        let code = fatal.as_ref().map_or(RDKafkaErrorCode::Fatal, |(code, _)| *code);
        self.explain(&KafkaError::MessageProduction(code), "write in a transaction")
    }

    fn explain(&self, error: &KafkaError, attempt: &str) -> Error {
        let fatal = self.producer.inner().client().fatal_error();
        match (self.producer.trouble().lasting(), fatal) {
            (Some(lasting), _) => lasting,
            (None, Some((code, _))) => call_error(&KafkaError::MessageProduction(code), attempt),
            (None, None) => call_error(error, attempt),
        }
    }
}

/// Whether a record was not taken because a record before it has failed the transaction, or because the producer is dead.
fn is_of_the_transaction(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as C;
    matches!(code, C::State | C::Fatal | C::Fenced | C::PurgeQueue)
}

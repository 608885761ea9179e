//! Reads the position topic to its end, committed records only. Blocks: belongs beside the runtime.
//!
//! "To its end" has a trap: a consumer of committed records stops in front of the first transaction that is still open,
//! whosever it is, and other pipelines share the topic. So the end is the last record that is there at all, and the
//! reader waits until every transaction before it has ended. Invariant: what a finished [`Reader::catch_up`] has passed
//! over can never become visible later.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluicebox_core::{Error, Result, Shard};

use crate::admin::{Admin, hear};
use crate::client::{Listener, creation_error};
use crate::fault::{Fault, call_error};
use crate::ledger::Ledger;

/// How often it is asked whether transactions have ended.
const ASK: Duration = Duration::from_millis(20);

/// Reads one position topic for one pipeline and sink.
pub(crate) struct Reader<'a> {
    topic: &'a str,
    /// Longest wait without any progress.
    patience: Duration,
    consumer: BaseConsumer<Listener>,
    listener: Listener,
    /// Where the next reading begins; everything before it is in the ledger.
    next: i64,
    pub(crate) ledger: Ledger,
}

impl<'a> Reader<'a> {
    /// A reader of committed records at the beginning.
    ///
    /// # Errors
    /// `Config` if librdkafka refuses a setting.
    pub(crate) fn new(
        base: &ClientConfig,
        topic: &'a str,
        shard: &Shard,
        patience: Duration,
    ) -> Result<Self> {
        let mut config = base.clone();
        config.set("isolation.level", "read_committed");
        Self::with(config, topic, shard, patience)
    }

    fn with(mut config: ClientConfig, topic: &'a str, shard: &Shard, patience: Duration) -> Result<Self> {
        let listener = Listener::default();
        config.set("enable.partition.eof", "true");
        config.set("enable.auto.commit", "false");
        // librdkafka wants a name; no group is ever joined and no offset committed.
        config.set("group.id", format!("sluicebox-{}-{}", shard.pipeline, shard.sink));
        // The end shall be found at once.
        config.set("fetch.wait.max.ms", "10");
        let consumer = config.create_with_context(listener.clone()).map_err(creation_error)?;
        let ledger = Ledger::new(shard);
        Ok(Self { topic, patience, consumer, listener, next: 0, ledger })
    }

    /// Reads what is visible now.
    ///
    /// # Errors
    /// Retryable if the brokers do not answer.
    pub(crate) fn look(&mut self) -> Result<()> {
        let end = self.visible_end()?;
        self.read_to(end)
    }

    /// Reads everything that was written before this call, once its transactions have ended; `false` if some have not
    /// after `patience`.
    ///
    /// # Errors
    /// Retryable if the brokers do not answer.
    pub(crate) fn catch_up(&mut self, admin: &Admin, patience: Duration) -> Result<bool> {
        let everything = admin.end_of(self.topic)?;
        let start = Instant::now();
        loop {
            let visible = self.visible_end()?;
            if visible >= everything {
                return self.read_to(visible).map(|()| true);
            }
            if start.elapsed() >= patience {
                return Ok(false);
            }
            sleep(ASK);
        }
    }

    /// Whether records of this pipeline and sink are among those that an open transaction hides.
    ///
    /// # Errors
    /// Retryable if the brokers do not answer.
    pub(crate) fn is_hidden(&self, base: &ClientConfig, shard: &Shard) -> Result<bool> {
        let mut config = base.clone();
        config.set("isolation.level", "read_uncommitted");
        let mut all = Reader::with(config, self.topic, shard, self.patience)?;
        all.next = self.visible_end()?;
        all.look()?;
        Ok(!all.ledger.is_empty())
    }

    /// The offset after the last record that no open transaction hides.
    fn visible_end(&self) -> Result<i64> {
        let (_, end) = self
            .consumer
            .fetch_watermarks(self.topic, 0, self.patience)
            .map_err(|error| self.explain(&error))?;
        Ok(end)
    }

    /// Reads on until the end, which is at `end` or behind it.
    fn read_to(&mut self, end: i64) -> Result<()> {
        if end <= self.next {
            return Ok(());
        }
        let from = if self.next == 0 { Offset::Beginning } else { Offset::Offset(self.next) };
        let mut assignment = TopicPartitionList::new();
        let assigned = assignment
            .add_partition_offset(self.topic, 0, from)
            .and_then(|()| self.consumer.assign(&assignment));
        assigned.map_err(|error| self.explain(&error))?;
        let mut progress = Instant::now();
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    self.ledger.note(message.key().unwrap_or_default(), message.payload());
                    progress = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if is_lasting(&error) => return Err(self.explain(&error)),
                _ if progress.elapsed() >= self.patience => {
                    let message = format!("the end of the topic `{}` does not come", self.topic);
                    return Err(self.listener.trouble.explain(&message));
                }
                _ => {}
            }
        }
        self.next = end;
        Ok(())
    }

    fn explain(&self, error: &KafkaError) -> Error {
        hear(&self.consumer);
        let attempt = format!("read the positions in the topic `{}`", self.topic);
        if is_lasting(error) {
            return call_error(error, &attempt);
        }
        self.listener.trouble.explain(&format!("cannot {attempt}"))
    }
}

/// Whether reading on is of no use. The group is never used, so it does not matter whether we may.
fn is_lasting(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
    code != RDKafkaErrorCode::GroupAuthorizationFailed && Fault::of(code) != Fault::Transient
}

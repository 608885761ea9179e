//! A producer whose delivery reports are counted, not awaited one by one.
//!
//! A future for every record costs more than the record; here a report is one atomic step, and only failures are kept.
//! All methods block and belong beside the runtime. Invariant: a batch is settled when every record of it was reported.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use sluicebox_core::Result;

use crate::client::{Trouble, creation_error, log_line};
use crate::record::Record;

/// How often a wait looks whether waiting still makes sense.
const LOOK: Duration = Duration::from_millis(250);

/// How long librdkafka takes at most, as a rule, to forget records that it has reported.
const FORGETTING: Duration = Duration::from_micros(20);

/// A wait without any progress this long ends early if it is known that no waiting can help.
const HOPELESS: Duration = Duration::from_secs(2);

/// An idempotent or transactional producer.
pub(crate) struct Producer {
    inner: ThreadedProducer<Reports>,
    reports: Arc<Reports>,
}

/// What came back: the context of the producer.
#[derive(Default)]
pub(crate) struct Reports {
    outstanding: AtomicUsize,
    failed: Mutex<Vec<Failed>>,
    settled: Condvar,
    trouble: Trouble,
}

/// A record that was not written: the index that it was sent under.
pub(crate) type Failed = (usize, RDKafkaErrorCode);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            self.failed().push((index, code));
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, so that nobody who has just looked begins to wait after this.
            let _failed = self.failed();
            self.settled.notify_all();
        }
    }
}

impl Reports {
    fn failed(&self) -> MutexGuard<'_, Vec<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Producer {
    /// Makes a producer; the cluster is reached later.
    ///
    /// # Errors
    /// `Config` if librdkafka refuses a setting.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self> {
        let inner: ThreadedProducer<Reports> =
            config.create_with_context(Reports::default()).map_err(creation_error)?;
        let reports = Arc::clone(inner.context());
        Ok(Self { inner, reports })
    }

    /// The client below, for transactions.
    pub(crate) fn inner(&self) -> &ThreadedProducer<Reports> {
        &self.inner
    }

    /// What librdkafka last said about the cluster.
    pub(crate) fn trouble(&self) -> &Trouble {
        &self.reports.trouble
    }

    /// Puts a record into the queue; its report will come under `index`. A full queue is waited out.
    ///
    /// # Errors
    /// The code if the record never gets into the queue; there will be no report.
    pub(crate) fn send(&self, record: Record<'_>, index: usize) -> Result<(), RDKafkaErrorCode> {
        let mut headers = record.headers;
        loop {
            let full = BaseRecord {
                topic: record.topic,
                partition: record.partition,
                payload: Some(&record.value[..]),
                key: record.key,
                timestamp: Some(record.time),
                headers: headers.take(),
                delivery_opaque: index,
            };
            self.reports.outstanding.fetch_add(1, Ordering::AcqRel);
            let Err((error, back)) = self.inner.send(full) else { return Ok(()) };
            self.reports.outstanding.fetch_sub(1, Ordering::AcqRel);
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
            if code != RDKafkaErrorCode::QueueFull {
                return Err(code);
            }
            headers = back.headers;
            let failed = self.reports.failed();
            drop(self.reports.settled.wait_timeout(failed, LOOK).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits until every record is reported, as long as reports come: `false` if none came for `patience`.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        self.wait(patience, |_| false)
    }

    /// The same for a transaction, which is lost once a record of it has failed: of what is still in the queue then
    /// nothing is sent any more, and nothing reported before it is aborted.
    pub(crate) fn settle_transaction(&self, patience: Duration) -> bool {
        self.wait(patience, |failed| !failed.is_empty())
    }

    /// Waits for reports; `is_lost` is asked when none has come for a moment.
    fn wait(&self, patience: Duration, is_lost: impl Fn(&[Failed]) -> bool) -> bool {
        let mut seen = (self.outstanding(), Instant::now());
        let mut failed = self.reports.failed();
        while self.outstanding() > 0 {
            failed =
                self.reports.settled.wait_timeout(failed, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            let now = self.outstanding();
            if now != seen.0 {
                seen = (now, Instant::now());
            }
            let waited = seen.1.elapsed();
            if waited >= LOOK && is_lost(&failed) {
                break;
            }
            if now > 0 && (waited >= patience || (waited >= HOPELESS && self.trouble().lasting().is_some())) {
                return false;
            }
        }
        self.trouble().clear();
        true
    }

    /// Waits until librdkafka has forgotten the records that were reported, which it does a moment later. A commit that
    /// still finds one flushes, and sleeps for 100 ms over a queue that this producer's own thread empties.
    pub(crate) fn wait_until_forgotten(&self) {
        let start = Instant::now();
        while self.inner.in_flight_count() > 0 && start.elapsed() < LOOK {
            std::thread::sleep(FORGETTING);
        }
    }

    /// Records that were not reported yet.
    pub(crate) fn outstanding(&self) -> usize {
        self.reports.outstanding.load(Ordering::Acquire)
    }

    /// The failures since the last call, by index.
    pub(crate) fn take_failed(&self) -> Vec<Failed> {
        let mut failed = std::mem::take(&mut *self.reports.failed());
        failed.sort_unstable_by_key(|(index, _)| *index);
        failed
    }

    /// Whether the producer can never be used again.
    pub(crate) fn is_dead(&self) -> bool {
        self.inner.client().fatal_error().is_some()
    }
}

//! Handles of one component, partition or edge: resolved once, counted without look-ups.

use std::time::Duration;

use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge, IntGaugeVec};
use sluicebox_core::{Clock, DiscardReason, ErrorClass, InboxFill, Reason};

use crate::partition::Partition;

/// The label values of one component (and account).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    pub(crate) pipeline: &'a str,
    pub(crate) component: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) component_type: &'a str,
    /// Empty (which Prometheus takes as absent) unless the source has `accounts:`.
    pub(crate) account: &'a str,
}

impl Labels<'_> {
    pub(super) fn component(&self) -> [&str; 4] {
        [self.pipeline, self.component, self.kind, self.component_type]
    }

    pub(super) fn account(&self) -> [&str; 5] {
        [self.pipeline, self.component, self.kind, self.component_type, self.account]
    }
}

/// How a poll ended; the label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollOutcome {
    Items,
    Empty,
    Error,
    RateLimited,
    Expired,
    Cancelled,
}

impl PollOutcome {
    pub(super) const ALL: [Self; 6] =
        [Self::Items, Self::Empty, Self::Error, Self::RateLimited, Self::Expired, Self::Cancelled];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Empty => "empty",
            Self::Error => "error",
            Self::RateLimited => "rate_limited",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counters of one component.
pub(crate) struct ComponentMetrics {
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(super) errors: Vec<(ErrorClass, IntCounter)>,
    pub(super) discarded: Vec<(DiscardReason, IntCounter)>,
    pub(super) dead_letters: Vec<(Reason, IntCounter)>,
    pub(crate) write_seconds: Histogram,
    pub(crate) script_seconds: Histogram,
    pub(crate) latency: Histogram,
    pub(crate) retries: IntCounter,
    pub(crate) rate_limited: Counter,
}

impl ComponentMetrics {
    pub(crate) fn error(&self, class: ErrorClass) {
        count(&self.errors, class);
    }

    pub(crate) fn discarded(&self, reason: DiscardReason) {
        count(&self.discarded, reason);
    }

    pub(crate) fn dead_letter(&self, reason: Reason) {
        count(&self.dead_letters, reason);
    }

    /// Errors of every class so far.
    pub(crate) fn errors_total(&self) -> u64 {
        self.errors.iter().map(|(_, counter)| counter.get()).sum()
    }

    /// Events discarded for every reason so far.
    pub(crate) fn discarded_total(&self) -> u64 {
        self.discarded.iter().map(|(_, counter)| counter.get()).sum()
    }

    /// Dead letters of every reason so far.
    pub(crate) fn dead_letters_total(&self) -> u64 {
        self.dead_letters.iter().map(|(_, counter)| counter.get()).sum()
    }
}

fn count<K: PartialEq + Copy>(counters: &[(K, IntCounter)], key: K) {
    if let Some((_, counter)) = counters.iter().find(|(candidate, _)| *candidate == key) {
        counter.inc();
    }
}

/// Counters and gauges of one partition.
pub(crate) struct PartitionMetrics {
    pub(super) polls: [IntCounter; 6],
    pub(crate) poll_seconds: Histogram,
    pub(crate) gaps: IntCounter,
    pub(crate) commits: IntCounter,
    pub(super) paused: IntGaugeVec,
    pub(super) labels: [String; 5],
    pub(super) lag: Gauge,
    pub(super) cursor_age: Gauge,
    pub(super) inflight_events: IntGauge,
    pub(super) inflight_bytes: IntGauge,
    pub(super) hole_age: Gauge,
    pub(super) state_entries: IntGaugeVec,
    /// How full an inbox is and may be; only sources that have one set them.
    pub(super) inbox: [IntGaugeVec; 2],
}

impl PartitionMetrics {
    pub(crate) fn poll(&self, outcome: PollOutcome, took: Duration) {
        let position = PollOutcome::ALL.iter().position(|candidate| *candidate == outcome);
        if let Some(counter) = position.and_then(|at| self.polls.get(at)) {
            counter.inc();
        }
        self.poll_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn paused(&self, reason: &str) {
        self.set_paused(reason, 1);
    }

    pub(crate) fn resumed(&self, reason: &str) {
        self.set_paused(reason, 0);
    }

    fn set_paused(&self, reason: &str, paused: i64) {
        let mut labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        labels.push(reason);
        self.paused.with_label_values(&labels).set(paused);
    }

    /// How full the inbox of this partition is.
    pub(crate) fn inbox(&self, fill: &InboxFill) {
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        for (gauge, bytes) in self.inbox.iter().zip([fill.bytes(), fill.limit_bytes()]) {
            gauge.with_label_values(&labels).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Brings the gauges that age up to date; called before they are read.
    pub(crate) fn refresh(&self, partition: &Partition, clock: &dyn Clock) {
        let flight = partition.in_flight();
        self.inflight_events.set(i64::try_from(flight.events).unwrap_or(i64::MAX));
        self.inflight_bytes.set(i64::try_from(flight.bytes).unwrap_or(i64::MAX));
        self.hole_age.set(flight.oldest.as_secs_f64());
        let now = clock.now().as_millis();
        let age = |since: i64| Duration::from_millis(u64::try_from(now - since).unwrap_or(0)).as_secs_f64();
        if let (_, Some(newest)) = partition.safe() {
            self.lag.set(age(newest.as_millis()));
        }
        if let Some(committed) = partition.committed_at() {
            self.cursor_age.set(age(committed.as_millis()));
        }
        let [pipeline, source, _, _, account] = &self.labels;
        for (component, entries) in partition.remembered() {
            let gauge =
                self.state_entries.with_label_values(&[pipeline, component.as_str(), source, account]);
            gauge.set(i64::try_from(entries).unwrap_or(i64::MAX));
        }
    }
}

/// Gauge and counter of one edge.
#[derive(Clone)]
pub(crate) struct EdgeMetrics {
    pub(super) queue: IntGauge,
    pub(super) blocked: Counter,
}

impl EdgeMetrics {
    pub(crate) fn queue(&self, events: i64) {
        self.queue.set(events);
    }

    pub(crate) fn blocked(&self, time: Duration) {
        self.blocked.inc_by(time.as_secs_f64());
    }
}

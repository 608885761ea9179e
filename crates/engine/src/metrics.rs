//! Prometheus metrics under the fixed names of the face; every counter exists with 0 from the start.
//!
//! The `prometheus` crate stays behind this module, so that it can be replaced without touching anything else.

mod families;
mod handles;

use prometheus::{
    CounterVec, Encoder, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, TextEncoder,
};
use sluicebox_core::{CacheTally, DiscardReason, ErrorClass, Reason};

use families::Families;
pub(crate) use handles::{ComponentMetrics, EdgeMetrics, Labels, PartitionMetrics, PollOutcome};

/// The labels that every component metric has.
const COMPONENT: [&str; 4] = ["pipeline", "component", "kind", "type"];
/// The labels of metrics per account.
const ACCOUNT: [&str; 5] = ["pipeline", "component", "kind", "type", "account"];
const EDGE: [&str; 3] = ["pipeline", "from", "to"];
/// A transform and the partition that it remembers something of.
const STATE: [&str; 4] = ["pipeline", "component", "source", "account"];

/// Classes that count as errors of a component; `fenced` and `state` end the run instead.
const CLASSES: [ErrorClass; 6] = [
    ErrorClass::Transient,
    ErrorClass::RateLimited,
    ErrorClass::Permanent,
    ErrorClass::Auth,
    ErrorClass::Script,
    ErrorClass::Config,
];

/// Every metric family of the process.
pub struct Metrics {
    registry: Registry,
    received: IntCounterVec,
    sent: IntCounterVec,
    sent_bytes: IntCounterVec,
    errors: IntCounterVec,
    discarded: IntCounterVec,
    dead_letters: IntCounterVec,
    polls: IntCounterVec,
    poll_seconds: HistogramVec,
    lag: GaugeVec,
    gaps: IntCounterVec,
    paused: IntGaugeVec,
    commits: IntCounterVec,
    cursor_age: GaugeVec,
    inflight_events: IntGaugeVec,
    inflight_bytes: IntGaugeVec,
    hole_age: GaugeVec,
    queue: IntGaugeVec,
    blocked: CounterVec,
    write_seconds: HistogramVec,
    latency: HistogramVec,
    retries: IntCounterVec,
    rate_limited: CounterVec,
    script_seconds: HistogramVec,
    lookup_cache: IntCounterVec,
    state_entries: IntGaugeVec,
    inbox: IntGaugeVec,
    inbox_limit: IntGaugeVec,
}

impl Metrics {
    /// All families, registered and empty.
    #[allow(clippy::too_many_lines, reason = "a table: one entry per family")]
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Families(&registry);
        Self {
            received: make.counter(
                "component_received_events_total",
                "Events that reached a component",
                &COMPONENT,
            ),
            sent: make.counter(
                "component_sent_events_total",
                "Events that a component passed on or made durable",
                &COMPONENT,
            ),
            sent_bytes: make.counter("component_sent_bytes_total", "Bytes of those events", &COMPONENT),
            errors: make.counter(
                "component_errors_total",
                "Failed attempts by class",
                &[&COMPONENT[..], &["class"]].concat(),
            ),
            discarded: make.counter(
                "component_discarded_events_total",
                "Events dropped on purpose",
                &[&COMPONENT[..], &["reason"]].concat(),
            ),
            dead_letters: make.counter(
                "dead_letter_events_total",
                "Events given up and kept",
                &[&COMPONENT[..], &["reason"]].concat(),
            ),
            polls: make.counter(
                "source_polls_total",
                "Polls by outcome",
                &[&ACCOUNT[..], &["outcome"]].concat(),
            ),
            poll_seconds: make.histogram("source_poll_seconds", "Time of a poll", &COMPONENT),
            lag: make.gauge("source_lag_seconds", "Age of the newest committed event", &ACCOUNT),
            gaps: make.counter("source_gap_total", "Stretches of a feed known to be out of reach", &ACCOUNT),
            paused: make.int_gauge(
                "source_paused",
                "1 while a source is paused",
                &[&ACCOUNT[..], &["reason"]].concat(),
            ),
            commits: make.counter("cursor_commits_total", "Committed positions", &ACCOUNT),
            cursor_age: make.gauge(
                "cursor_age_seconds",
                "Time since the cursor was last committed",
                &ACCOUNT,
            ),
            inflight_events: make.int_gauge(
                "inflight_events",
                "Events between poll and acknowledgement",
                &ACCOUNT,
            ),
            inflight_bytes: make.int_gauge(
                "inflight_bytes",
                "Bytes between poll and acknowledgement",
                &ACCOUNT,
            ),
            hole_age: make.gauge(
                "ack_hole_age_seconds",
                "Age of the oldest page that is not settled",
                &ACCOUNT,
            ),
            queue: make.int_gauge("edge_queue_events", "Events waiting on an edge", &EDGE),
            blocked: make.float_counter(
                "edge_blocked_seconds_total",
                "Time spent waiting for room on an edge",
                &EDGE,
            ),
            write_seconds: make.histogram(
                "sink_write_seconds",
                "Time of a sink's write or commit",
                &COMPONENT,
            ),
            latency: make.histogram("event_latency_seconds", "From poll response to durable", &COMPONENT),
            retries: make.counter("retries_total", "Attempts made again", &COMPONENT),
            rate_limited: make.float_counter(
                "rate_limited_seconds_total",
                "Time waited because the other side asked",
                &COMPONENT,
            ),
            script_seconds: make.histogram("script_seconds", "Time a transform took for a batch", &COMPONENT),
            lookup_cache: make.counter(
                "lookup_cache_total",
                "Look-ups by whether the answer was known",
                &[&COMPONENT[..], &["result"]].concat(),
            ),
            state_entries: make.int_gauge("state_entries", "Things that a transform remembers", &STATE),
            inbox: make.int_gauge(
                "inbox_bytes",
                "Bytes of deliveries that some sink does not have yet",
                &ACCOUNT,
            ),
            inbox_limit: make.int_gauge(
                "inbox_limit_bytes",
                "Bytes beyond which senders are refused",
                &ACCOUNT,
            ),
            registry,
        }
    }

    /// Registers a collector of a component crate (the look-up cache, for one).
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text exposition format. Gauges that age are brought up to date by the caller first.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        if encoded.is_err() {
            text.clear();
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// The handles of one component; its counters exist from now on.
    pub(crate) fn component(&self, labels: &Labels<'_>) -> ComponentMetrics {
        let four = labels.component();
        let with_extra = |family: &IntCounterVec, extra: &'static str| {
            let mut all = four.to_vec();
            all.push(extra);
            family.with_label_values(&all)
        };
        ComponentMetrics {
            received: self.received.with_label_values(&four),
            sent: self.sent.with_label_values(&four),
            sent_bytes: self.sent_bytes.with_label_values(&four),
            errors: CLASSES.map(|class| (class, with_extra(&self.errors, class.as_str()))).into(),
            discarded: DiscardReason::ALL
                .map(|reason| (reason, with_extra(&self.discarded, reason.as_str())))
                .into(),
            dead_letters: Reason::ALL
                .map(|reason| (reason, with_extra(&self.dead_letters, reason.as_str())))
                .into(),
            write_seconds: self.write_seconds.with_label_values(&four),
            script_seconds: self.script_seconds.with_label_values(&four),
            latency: self.latency.with_label_values(&four),
            retries: self.retries.with_label_values(&four),
            rate_limited: self.rate_limited.with_label_values(&four),
        }
    }

    /// Brings the counters of a look-up's cache up to what its component has counted.
    pub(crate) fn lookup_cache(&self, labels: &Labels<'_>, tally: &CacheTally) {
        for (result, total) in tally.totals() {
            let counter = self.lookup_cache.with_label_values(&[&labels.component()[..], &[result]].concat());
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    /// The handles of one partition.
    pub(crate) fn partition(&self, labels: &Labels<'_>) -> PartitionMetrics {
        let five = labels.account();
        let polls = PollOutcome::ALL.map(|outcome| {
            let mut all = five.to_vec();
            all.push(outcome.as_str());
            self.polls.with_label_values(&all)
        });
        PartitionMetrics {
            polls,
            poll_seconds: self.poll_seconds.with_label_values(&labels.component()),
            gaps: self.gaps.with_label_values(&five),
            commits: self.commits.with_label_values(&five),
            paused: self.paused.clone(),
            labels: five.map(str::to_owned),
            lag: self.lag.with_label_values(&five),
            cursor_age: self.cursor_age.with_label_values(&five),
            inflight_events: self.inflight_events.with_label_values(&five),
            inflight_bytes: self.inflight_bytes.with_label_values(&five),
            hole_age: self.hole_age.with_label_values(&five),
            state_entries: self.state_entries.clone(),
            inbox: [self.inbox.clone(), self.inbox_limit.clone()],
        }
    }

    /// The handles of one edge.
    pub(crate) fn edge(&self, pipeline: &str, from: &str, to: &str) -> EdgeMetrics {
        EdgeMetrics {
            queue: self.queue.with_label_values(&[pipeline, from, to]),
            blocked: self.blocked.with_label_values(&[pipeline, from, to]),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_registered_and_counters_start_at_zero() {
        let metrics = Metrics::new();
        let labels =
            Labels { pipeline: "p", component: "c", kind: "sink", component_type: "file", account: "" };
        metrics.component(&labels);
        metrics.partition(&labels);
        metrics.edge("p", "a", "b");
        let tally = CacheTally::default();
        tally.hit();
        metrics.lookup_cache(&labels, &tally);
        metrics.lookup_cache(&labels, &tally);
        let text = metrics.render();
        for name in [
            r#"sluicebox_component_received_events_total{component="c",kind="sink",pipeline="p",type="file"} 0"#,
            r#"sluicebox_dead_letter_events_total{component="c",kind="sink",pipeline="p",reason="script",type="file"} 0"#,
            r#"sluicebox_source_polls_total{account="",component="c",kind="sink",outcome="expired",pipeline="p",type="file"} 0"#,
            r#"sluicebox_edge_blocked_seconds_total{from="a",pipeline="p",to="b"} 0"#,
            r#"sluicebox_lookup_cache_total{component="c",kind="sink",pipeline="p",result="hit",type="file"} 1"#,
            r#"sluicebox_lookup_cache_total{component="c",kind="sink",pipeline="p",result="miss",type="file"} 0"#,
            "sluicebox_event_latency_seconds_bucket",
        ] {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
    }
}

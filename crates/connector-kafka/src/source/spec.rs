//! The declaration of the `kafka` source.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Probe, Problem, Result, SourceClass, SourceSpec, Timestamp,
};

use super::group::{GroupSource, Making};
use super::keeper::Keeper;
use super::look::is_pattern;
use super::member::{Hub, Member};
use super::probe;
use super::reading::Pages;
use crate::client::{Cluster, Trouble, creation_error};
use crate::options::{SaslOptions, Setting, Tls};
use crate::topic;

/// Reads topics of Apache Kafka as a member of a consumer group.
///
/// Every partition that the group assigns to this process is read by itself, in its order, with a cursor of its own (the
/// next offset); a sink that is slow holds up only what flows into it, and what is read ahead is bounded (about 3 MiB a
/// partition; `librdkafka: { queued.max.messages.kbytes: … }` changes it). Partitions come and go while it runs
/// (cooperative rebalancing), and new ones of a topic are found. Only committed records are read unless `isolation` says
/// otherwise.
///
/// A position is committed to the group once it is durable in every sink, so `kafka-consumer-groups.sh` shows the true
/// lag, and another member goes on where this one was. Reading begins at the saved cursor or at what the group has
/// committed, whichever is further, and where neither is known, at `start`; to read again what was read, move both, with
/// `sluicebox cursor set` and `kafka-consumer-groups.sh --reset-offsets`. With a transactional sink each record has its
/// effect exactly once, from Kafka to Kafka too, as long as this pipeline alone reads as this group: a partition that
/// moves to another pipeline while pages are on their way is read again from the last commit, so that those may come
/// twice.
///
/// The value of a record is the event, byte for byte. `meta.id` is `kafka:<account>:<topic>/<partition>/<offset>`,
/// `meta.type` the header `type` or `ce_type`, else the topic; `meta.time` the record's time; `meta.key` its key as text,
/// else `<topic>/<partition>`. A value that is not a JSON object becomes a dead letter, and so does a record without a
/// value (a tombstone).
///
/// Brokers that are away are waited for, without end. A topic that is not there pauses the source, as do missing
/// permissions. An offset that the topic no longer holds pauses the partition (`on_offset_expired`). A process that is
/// killed keeps its partitions until its session times out (10s; `librdkafka: { session.timeout.ms: … }`); give it
/// `librdkafka: { group.instance.id: … }`, unique in the group, and it has them back at once when it starts again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = spec_example())]
pub struct KafkaSourceSpec {
    /// Some brokers of the cluster, `host:port`; the others are learnt from them.
    #[schemars(length(min = 1), example = ["kafka-1.example.com:9093", "kafka-2.example.com:9093"])]
    pub brokers: Vec<String>,
    /// The topics to read. One that begins with `^` is a regular expression; topics that match later are read too.
    #[schemars(length(min = 1), example = ["orders", "^payments\\..*"])]
    pub topics: Vec<String>,
    /// The consumer group; default `sluicebox-<pipeline>-<source>` (with `-<account>` if the source has accounts).
    #[serde(default)]
    #[schemars(length(min = 1), example = &"warehouse")]
    pub group: Option<String>,
    /// Where a partition begins of which neither we nor the group know anything: `beginning`, `now`, or
    /// `{ time: "2026-06-12T10:00:00Z" }`. `now` holds for what is there at the first start: partitions and topics that
    /// are added later are read from their beginning.
    #[serde(default)]
    pub start: Start,
    /// Which records are read.
    #[serde(default)]
    pub isolation: Isolation,
    /// What the value of a record is.
    #[serde(default)]
    pub format: Format,
    /// What of the record is added to the event as the field `_kafka`; of several headers of one name the last counts,
    /// and bytes that are not UTF-8 are replaced.
    #[serde(default)]
    #[schemars(example = ["key", "headers"])]
    pub include: Vec<Part>,
    /// What to do when the offset to read next is no longer there, because the topic's retention was faster.
    #[serde(default)]
    pub on_offset_expired: OnOffsetExpired,
    /// Most records of one page.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: usize,
    /// Most bytes of one page; a single larger record still passes.
    #[serde(default = "default_page_bytes")]
    #[schemars(example = "4MiB")]
    pub page_bytes: ByteSize,
    /// TLS: a map (`{}`: with the authorities of the machine), or `off`, which a broker on another machine needs if the
    /// connection shall be in the clear.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// How to log in.
    #[serde(default)]
    pub sasl: Option<SaslOptions>,
    /// Settings of librdkafka by name, for what has no option here. Those that the promises depend on are refused.
    #[serde(default)]
    #[schemars(example = librdkafka_example())]
    pub librdkafka: BTreeMap<String, Setting>,
}

/// Where reading begins when nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With everything that the topic still has.
    #[default]
    Beginning,
    /// With what is written from now on.
    Now,
    /// With the first record of this time (RFC 3339) or later.
    Time(String),
}

/// Which records are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Those of transactions that were committed, and those outside of transactions.
    #[default]
    ReadCommitted,
    /// All, those of aborted transactions too.
    ReadUncommitted,
}

/// What the value of a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON object: the event.
    #[default]
    Json,
    /// `{"meta": …, "event": …}`, as the `kafka` sink writes with `envelope: true`: id, type, time, key and look-ups are
    /// those of the envelope.
    Envelope,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The topic.
    Topic,
    /// The number of the partition.
    Partition,
    /// The offset.
    Offset,
    /// The time.
    Time,
    /// The key, or null.
    Key,
    /// The headers, as a map.
    Headers,
}

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Partition => "partition",
            Self::Offset => "offset",
            Self::Time => "time",
            Self::Key => "key",
            Self::Headers => "headers",
        }
    }
}

/// What follows an offset that is no longer there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOffsetExpired {
    /// The partition pauses until a person decides.
    #[default]
    Stop,
    /// Go on with the earliest record that there is; the gap is logged as an error and counted.
    Reset,
}

fn default_limit() -> usize {
    500
}

fn default_page_bytes() -> ByteSize {
    ByteSize(1 << 20)
}

fn spec_example() -> serde_json::Value {
    serde_json::json!({ "brokers": ["localhost:9092"], "topics": ["orders"] })
}

fn librdkafka_example() -> serde_json::Value {
    serde_json::json!({ "group.instance.id": "orders-1", "client.rack": "eu-1a" })
}

/// Settings that the promise depends on; the user cannot change them.
const PROMISE: [(&str, &str); 6] = [
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// Settings that the user may change. What is read ahead is bounded for each partition; a full queue is looked at again
/// soon, for it is small.
const DEFAULTS: [(&str, &str); 4] = [
    ("queued.max.messages.kbytes", "2048"),
    ("queued.min.messages", "20000"),
    ("fetch.queue.backoff.ms", "20"),
    ("session.timeout.ms", "10000"),
];

#[async_trait]
impl SourceSpec for KafkaSourceSpec {
    const TYPE: &'static str = "kafka";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn has_own_partitions(&self) -> bool {
        true
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = self.cluster().check();
        if self.topics.is_empty() {
            problems.push(Problem::new("topics", "expected at least one topic"));
        }
        let mut seen = HashSet::new();
        for (index, topic) in self.topics.iter().enumerate() {
            let message = match topic::refuse(topic) {
                _ if !seen.insert(topic) => Some(format!("`{topic}` is there twice")),
                Some(message) if !is_pattern(topic) => Some(message.to_string()),
                _ => None,
            };
            problems.extend(message.map(|message| Problem::new(format!("topics[{index}]"), message)));
        }
        if self.group.as_deref() == Some("") {
            problems.push(Problem::new("group", "the name is empty"));
        }
        if let Start::Time(text) = &self.start
            && Timestamp::parse(text).is_none()
        {
            let message = format!("expected a time like `2026-06-12T10:00:00Z`, found `{text}`");
            problems.push(Problem::new("start.time", message));
        }
        if !(1..=10_000).contains(&self.limit) {
            problems.push(Problem::new("limit", format!("expected 1 to 10000, found {}", self.limit)));
        }
        if !(1024..=64 << 20).contains(&self.page_bytes.0) {
            problems.push(Problem::new("page_bytes", "expected a size from 1KiB to 64MiB"));
        }
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        self.cluster().warn(cx);
        let hub = Arc::new(Hub::default());
        let consumer = self.consumer(cx, Arc::clone(&hub))?;
        let pages = Pages {
            records: self.limit,
            bytes: self.page_bytes.as_usize(),
            on_offset_expired: self.on_offset_expired,
        };
        let keeper = Keeper::new(consumer, hub, &cx.environment, (self.topics, self.start));
        let making = Making {
            source: Arc::clone(&cx.component),
            account: Arc::clone(&cx.account),
            format: self.format,
            include: self.include,
            pages,
            environment: cx.environment.clone(),
        };
        Ok(BuiltSource::Partitioned(Box::new(GroupSource::new(keeper, making))))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::probe(self, cx).await
    }
}

impl KafkaSourceSpec {
    pub(super) fn cluster(&self) -> Cluster<'_> {
        Cluster {
            brokers: &self.brokers,
            tls: self.tls.as_ref(),
            sasl: self.sasl.as_ref(),
            librdkafka: &self.librdkafka,
        }
    }

    /// The consumer group.
    pub(super) fn group(&self, cx: &Context) -> String {
        self.group.clone().unwrap_or_else(|| {
            let Context { pipeline, component, account, .. } = cx;
            let of_account = if account.is_empty() || account == component {
                String::new()
            } else {
                format!("-{account}")
            };
            format!("sluicebox-{pipeline}-{component}{of_account}")
        })
    }

    /// A consumer that has not joined its group yet.
    pub(super) fn consumer(&self, cx: &Context, hub: Arc<Hub>) -> Result<Arc<BaseConsumer<Member>>> {
        let mut config: ClientConfig = self.cluster().config(cx);
        for (name, value) in DEFAULTS {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        }
        for (name, value) in PROMISE {
            config.set(name, value);
        }
        config.set("group.id", self.group(cx));
        let isolation = match self.isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        config.set("isolation.level", isolation);
        let owner = (Arc::clone(&cx.pipeline), Arc::clone(&cx.component));
        let member = Member { hub, trouble: Trouble::default(), owner };
        config.create_with_context(member).map(Arc::new).map_err(creation_error)
    }
}

//! The declaration of the `kafka` sink.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, ByteSize, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Period, Probe,
    Problem, Rendering, Result, SinkSpec,
};

use crate::client::Cluster;
use crate::exact::ExactSink;
use crate::options::{SaslOptions, Setting, Tls};
use crate::own_topics::OwnTopics;
use crate::plain::PlainSink;
use crate::probe;
use crate::record::{Recipe, Value};
use crate::rendering;
use crate::setup::Setup;
use crate::topic;
use crate::transactor::Transactor;

/// Writes events to Apache Kafka, in order, acknowledged by all replicas; exactly once if asked.
///
/// A record's value is the event as it arrived, byte for byte, its key is `meta.key`. The
/// producer is idempotent (`acks=all`): nothing is reordered or written twice while the brokers restart, move leaders or
/// are away, however long that takes; nothing is dropped.
///
/// With `delivery: exactly_once` the records, the sink's dead letters and the positions of its sources are one Kafka
/// transaction. Read the topic with `isolation.level=read_committed`: then every event is there once, whatever was
/// killed. Besides the topic there are `_sluicebox_positions` (compacted; it is the truth of the position, so keep it
/// with the data) and `_sluicebox_dead_letters`; both are made if they are missing and the user may. A second process
/// with the same pipeline takes over, and the first stops before anything it writes becomes visible.
///
/// A record that is larger than the topic takes becomes a dead letter, and the others go on. A fixed topic that does not
/// exist pauses the sink; a topic of a template that does not exist makes a dead letter (if the brokers make topics
/// by themselves, they do). Missing permissions and refused credentials pause the sink.
///
/// Events of one key keep their order as long as they have one `key` here too: Kafka orders within a partition, and the
/// key picks the partition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSpec {
    /// Some brokers of the cluster, `host:port`; the others are learnt from them.
    #[schemars(length(min = 1), example = ["localhost:9092"])]
    pub brokers: Vec<String>,
    /// The topic to write to. May hold `{{ … }}` after a literal part; what comes out must be a legal name (letters,
    /// digits, `.`, `_`, `-`), else the event becomes a dead letter.
    #[schemars(example = "marketplace.{{ meta.type }}", extend("x-rule" = "template"))]
    pub topic: Located,
    /// The key of a record; default `{{ meta.key }}`. Records whose key is empty have none and are spread over the
    /// partitions; `key: ""` is that for all of them.
    #[serde(default)]
    #[schemars(example = "{{ event.account_id }}", extend("x-rule" = "template"))]
    pub key: Option<Located>,
    /// Headers of a record by name.
    #[serde(default)]
    #[schemars(example = headers_example(), extend("x-rule" = "template"))]
    pub headers: BTreeMap<String, Located>,
    /// Write `{"meta": …, "event": …}` instead of the event alone.
    #[serde(default)]
    pub envelope: bool,
    /// Which time a record carries. Brokers count the retention of a topic from it: with `event_time`, events that are
    /// older than that are deleted soon after they arrive (a feed's history, say), unless the topic keeps everything.
    #[serde(default)]
    pub timestamp: RecordTime,
    /// How a key picks the partition.
    #[serde(default)]
    pub partitioner: Partitioner,
    /// How requests are compressed. JSON shrinks to a third or less, and `lz4` costs next to nothing; every client can
    /// read it.
    #[serde(default)]
    pub compression: Compression,
    /// Largest record, key and headers included; a larger one becomes a dead letter without being tried. More than the
    /// default needs a larger `max.message.bytes` of the topic too.
    #[serde(default = "default_max_message_bytes")]
    #[schemars(example = "8MiB")]
    pub max_message_bytes: ByteSize,
    /// How long a write may go without any progress before it is reported as an error and tried again; also how long
    /// one request may take. What is on its way stays on its way.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Exactly once: the name under which brokers know this writer; default `sluicebox-<pipeline>-<sink>`. Two writers of
    /// one name are one: the later stops the earlier. Change it only while nothing runs.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub transactional_id: Option<String>,
    /// Exactly once: the compacted topic that holds the positions. Pipelines may share it.
    #[serde(default = "default_position_topic")]
    pub position_topic: String,
    /// Exactly once: the topic for dead letters of this sink, committed with the records.
    #[serde(default = "default_dead_letter_topic")]
    pub dead_letter_topic: String,
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

/// Which time a record carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordTime {
    /// The time of day when it is written.
    #[default]
    WriteTime,
    /// `meta.time`.
    EventTime,
}

/// How a key picks the partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// As the Java client does; records without a key are spread.
    #[default]
    Murmur2Random,
    /// As librdkafka and its children do by default (CRC32); records without a key are spread.
    ConsistentRandom,
    /// As the Go client Sarama does; records without a key are spread.
    Fnv1aRandom,
    /// By chance, whatever the key: then there is no order per key.
    Random,
}

impl Partitioner {
    fn as_str(self) -> &'static str {
        match self {
            Self::Murmur2Random => "murmur2_random",
            Self::ConsistentRandom => "consistent_random",
            Self::Fnv1aRandom => "fnv1a_random",
            Self::Random => "random",
        }
    }
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip: small, and costly.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4: the cheapest.
    #[default]
    Lz4,
    /// Zstandard: smaller than LZ4 at more cost; brokers from 2.1.
    Zstd,
}

impl Compression {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

fn default_max_message_bytes() -> ByteSize {
    ByteSize(1_000_000)
}

fn default_timeout() -> Period {
    Period::from_secs(30)
}

fn default_position_topic() -> String {
    "_sluicebox_positions".to_owned()
}

fn default_dead_letter_topic() -> String {
    "_sluicebox_dead_letters".to_owned()
}

fn headers_example() -> serde_json::Value {
    serde_json::json!({ "id": "{{ meta.id }}", "content-type": "application/json" })
}

fn librdkafka_example() -> serde_json::Value {
    serde_json::json!({ "linger.ms": 20, "client.rack": "eu-1a" })
}

#[async_trait]
impl SinkSpec for KafkaSpec {
    const TYPE: &'static str = "kafka";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: true,
            why: "records and position share one Kafka transaction",
        }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = self.cluster().check();
        problems.extend(self.recipe().err().into_iter().flatten());
        for (path, name) in
            [("position_topic", &self.position_topic), ("dead_letter_topic", &self.dead_letter_topic)]
        {
            problems.extend(topic::refuse(name).map(|message| Problem::new(path, message)));
        }
        if self.position_topic == self.dead_letter_topic || self.position_topic == self.topic.text {
            let message = "positions need a topic of their own: it is compacted";
            problems.push(Problem::new("position_topic", message));
        }
        if self.transactional_id.as_deref() == Some("") {
            problems.push(Problem::new("transactional_id", "the name is empty"));
        }
        if !(1_000..=1_000_000_000).contains(&self.max_message_bytes.0) {
            problems.push(Problem::new("max_message_bytes", "expected a size from 1KB to 1GB"));
        }
        if !(1..=300).contains(&self.timeout.0.as_secs()) {
            problems.push(Problem::new("timeout", "expected a duration from 1s to 5m"));
        }
        problems
    }

    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        Ok(Some(rendering::of(self.usable_recipe()?)))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        self.cluster().warn(cx);
        let setup = self.setup(cx)?;
        if cx.delivery == Delivery::AtLeastOnce {
            return Ok(BuiltSink::Plain(Box::new(PlainSink::new(setup))));
        }
        let id = self.transactional_id.clone();
        let id = id.unwrap_or_else(|| format!("sluicebox-{}-{}", cx.pipeline, cx.component));
        Ok(BuiltSink::Transactional(Box::new(ExactSink::new(Transactor::new(setup, self.own_topics(), id)))))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::of(self, cx).await
    }
}

impl KafkaSpec {
    pub(crate) fn cluster(&self) -> Cluster<'_> {
        Cluster {
            brokers: &self.brokers,
            tls: self.tls.as_ref(),
            sasl: self.sasl.as_ref(),
            librdkafka: &self.librdkafka,
        }
    }

    pub(crate) fn own_topics(&self) -> OwnTopics {
        OwnTopics { positions: self.position_topic.clone(), dead_letters: self.dead_letter_topic.clone() }
    }

    fn recipe(&self) -> Result<Recipe, Vec<Problem>> {
        let value =
            Value { is_envelope: self.envelope, has_event_time: self.timestamp == RecordTime::EventTime };
        Recipe::compile(&self.topic, self.key.as_ref(), &self.headers, value)
    }

    /// The recipe, or the first thing that is wrong with it.
    fn usable_recipe(&self) -> Result<Recipe> {
        self.recipe().map_err(|problems| {
            let first = problems.into_iter().next();
            Error::config(
                first.map_or_else(String::new, |problem| format!("`{}`: {}", problem.path, problem.message)),
            )
        })
    }

    pub(crate) fn setup(&self, cx: &Context) -> Result<Setup> {
        let recipe = self.usable_recipe()?;
        Ok(Setup {
            base: self.cluster().config(cx),
            address: self.cluster().address(),
            recipe,
            partitioner: self.partitioner.as_str(),
            compression: self.compression.as_str(),
            max_message_bytes: self.max_message_bytes.as_usize(),
            timeout: self.timeout.0,
            clock: cx.environment.clock.clone(),
        })
    }
}

//! What the tests against a real broker share: topics of their own, events, and reading back what is visible.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test that asked")]
#![allow(clippy::needless_pass_by_value, reason = "tests read better with `json!` in place")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use sluicebox_connector_kafka::KafkaSpec;
use sluicebox_core::{
    BuiltSink, Context, Delivery, Event, Meta, Sink, SinkSpec, Timestamp, TransactionalSink,
};
use sluicebox_services::Kafka;
use sluicebox_testkit::still_environment;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The context of a pipeline's sink `broker`.
pub(crate) fn context(pipeline: &str, delivery: Delivery) -> Context {
    Context { delivery, environment: still_environment(), ..sluicebox_testkit::context(pipeline, "broker") }
}

/// A name that no other test, and no earlier run, has used.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{name}-{since}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a topic.
pub(crate) async fn create_topic(bootstrap: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let new = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    for result in admin.create_topics([&new], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

/// A topic of the test's own.
pub(crate) async fn topic(kafka: &Kafka, name: &str, partitions: i32) -> String {
    let name = unique(name);
    create_topic(&kafka.bootstrap(), &name, partitions, &[]).await;
    name
}

/// The options of a sink, `extra` on top of broker and topic.
pub(crate) fn options(bootstrap: &str, topic: &str, extra: Value) -> Value {
    let brokers: Vec<&str> = bootstrap.split(',').collect();
    let mut options = json!({ "brokers": brokers, "topic": topic, "timeout": "10s" });
    for (name, value) in extra.as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
    options
}

pub(crate) fn spec(options: Value) -> KafkaSpec {
    serde_json::from_value(options).unwrap()
}

/// A sink that is at least once.
pub(crate) async fn plain(options: Value) -> Box<dyn Sink> {
    match spec(options).build(&context("orders", Delivery::AtLeastOnce)).await.unwrap() {
        BuiltSink::Plain(sink) => sink,
        _ => panic!("at least once is plain"),
    }
}

/// A sink that is exactly once.
pub(crate) async fn exact(pipeline: &str, options: Value) -> Box<dyn TransactionalSink> {
    match spec(options).build(&context(pipeline, Delivery::ExactlyOnce)).await.unwrap() {
        BuiltSink::Transactional(sink) => sink,
        _ => panic!("exactly once is transactional"),
    }
}

/// The time of day to the minute. Not long ago: brokers delete what is older than the retention of its topic.
fn now_millis() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 60 * 60_000).unwrap()
}

/// An event with this number, key and JSON.
pub(crate) fn event(number: usize, key: &str, json: &str) -> Event {
    let meta = Meta {
        event_type: "order".into(),
        time: Timestamp::from_millis(now_millis()),
        key: key.into(),
        received: Timestamp::from_millis(1_781_258_405_000),
        ..Meta::new("feed", "a", format!("feed:a:{number}"))
    };
    Event::parse(&Bytes::from(json.to_owned()), meta).unwrap()
}

/// Events with these numbers, over three keys.
pub(crate) fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers
        .map(|number| event(number, &format!("key-{}", number % 3), &format!(r#"{{"n":{number}}}"#)))
        .collect()
}

/// A record as a consumer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) time: Option<i64>,
    pub(crate) partition: i32,
}

impl Seen {
    /// The field `n`.
    pub(crate) fn number(&self) -> usize {
        let value: Value = serde_json::from_str(&self.value).unwrap();
        usize::try_from(value["n"].as_u64().unwrap()).unwrap()
    }
}

/// The numbers in a topic, sorted.
pub(crate) fn numbers(seen: &[Seen]) -> Vec<usize> {
    let mut numbers: Vec<usize> = seen.iter().map(Seen::number).collect();
    numbers.sort_unstable();
    numbers
}

/// Everything that is visible in a topic to a consumer that reads committed records only.
pub(crate) async fn committed(bootstrap: &str, topic: &str) -> Vec<Seen> {
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || read(&bootstrap, &topic)).await.unwrap()
}

fn read(bootstrap: &str, topic: &str) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "tests")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions = metadata.topics()[0].partitions();
    assert!(!partitions.is_empty(), "no topic {topic}");
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let (mut seen, mut ended) = (Vec::new(), 0);
    let start = Instant::now();
    while ended < partitions.len() {
        assert!(start.elapsed() < PATIENCE, "the end of {topic} does not come");
        match consumer.poll(Duration::from_millis(500)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("cannot read {topic}: {error}"),
            Some(Ok(message)) => seen.push(one(&message)),
        }
    }
    seen
}

fn one(message: &impl Message) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Seen {
        key: message.key().map(text),
        value: message.payload().map(text).unwrap_or_default(),
        headers: headers.map(|it| (it.key.to_owned(), text(it.value.unwrap_or_default()))).collect(),
        time: message.timestamp().to_millis(),
        partition: message.partition(),
    }
}

//! What the tests of the source share: a source over a real broker, and records to read.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test that asked")]
#![allow(clippy::needless_pass_by_value, reason = "tests read better with `json!` in place")]

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use sluicebox_connector_kafka::KafkaSourceSpec;
use sluicebox_core::{
    Batch, BuiltSource, Context, Cursor, Delivery, Discovered, Event, PartitionedSource, Reject, Source,
    SourceSpec,
};

use crate::support::{PATIENCE, context};

/// The context of the source `feed` of a pipeline.
pub fn source_context(pipeline: &str) -> Context {
    let context = context(pipeline, Delivery::AtLeastOnce);
    Context { component: "feed".into(), account: "feed".into(), ..context }
}

pub fn source_spec(bootstrap: &str, topics: &[&str], extra: Value) -> KafkaSourceSpec {
    let brokers: Vec<&str> = bootstrap.split(',').collect();
    // The broker's shortest, so that a member that went without a word is soon forgotten.
    let mut options =
        json!({ "brokers": brokers, "topics": topics, "librdkafka": { "session.timeout.ms": 6000 } });
    for (name, value) in extra.as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
    serde_json::from_value(options).unwrap()
}

/// A source of the pipeline, whose group is `sluicebox-<pipeline>-feed`.
pub async fn group_source(pipeline: &str, spec: KafkaSourceSpec) -> Box<dyn PartitionedSource> {
    match spec.build(&source_context(pipeline)).await.unwrap() {
        BuiltSource::Partitioned(source) => source,
        BuiltSource::Single(_) => panic!("partitions come while it runs"),
    }
}

pub type Partitions = BTreeMap<String, Box<dyn Source>>;

/// Every partition that there is at first, not opened.
pub async fn partitions(source: &mut dyn PartitionedSource) -> Partitions {
    let mut found = Partitions::new();
    let all = async {
        while let Discovered::Partition(name, source) = source.discover().await.unwrap() {
            assert!(found.insert(name.to_string(), source).is_none(), "{name} is handed out once");
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("partitions are assigned");
    found
}

pub async fn page(source: &mut dyn Source) -> Batch {
    let page = tokio::time::timeout(PATIENCE, source.next()).await.expect("a page comes");
    page.unwrap().unwrap().read()
}

/// Everything up to the end, and the last cursor.
pub async fn to_the_end(source: &mut dyn Source) -> (Vec<Event>, Vec<Reject>, Option<Cursor>) {
    let (mut events, mut rejects) = (Vec::new(), Vec::new());
    loop {
        let page = page(source).await;
        events.extend(page.events);
        rejects.extend(page.rejects);
        if page.caught_up {
            return (events, rejects, page.cursor);
        }
    }
}

/// Opens at a cursor and reads up to the end: the numbers and the last cursor.
pub async fn numbers_from(source: &mut dyn Source, saved: Option<&str>) -> (Vec<u64>, String) {
    source.open(saved.map(Cursor::from).as_ref()).await.unwrap();
    let (events, rejects, cursor) = to_the_end(source).await;
    assert!(rejects.is_empty(), "{rejects:?}");
    (events.iter().map(number).collect(), cursor.unwrap().to_text())
}

pub fn number(event: &Event) -> u64 {
    serde_json::from_slice::<Value>(&event.json()).unwrap()["n"].as_u64().unwrap()
}

/// Writes `{"n":…}` of each number into one partition.
pub fn write(bootstrap: &str, topic: &str, partition: i32, numbers: impl IntoIterator<Item = u64>) {
    let values = numbers.into_iter().map(|number| format!(r#"{{"n":{number}}}"#));
    write_values(bootstrap, topic, partition, values);
}

pub fn write_values(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    values: impl IntoIterator<Item = impl AsRef<[u8]>>,
) {
    let producer = producer(bootstrap, None);
    for value in values {
        send(&producer, topic, partition, Some(value.as_ref()));
    }
    producer.flush(PATIENCE).unwrap();
}

/// Writes a record without a value.
pub fn write_tombstone(bootstrap: &str, topic: &str, partition: i32) {
    let producer = producer(bootstrap, None);
    send(&producer, topic, partition, None);
    producer.flush(PATIENCE).unwrap();
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, value: Option<&[u8]>) {
    let key = format!("key-{partition}");
    let mut record = BaseRecord::to(topic).partition(partition).key(key.as_bytes());
    record.payload = value;
    while let Err((_, back)) = producer.send(record) {
        record = back;
        producer.poll(Duration::from_millis(10));
    }
}

/// Writes the numbers in a transaction, and ends it or leaves it open.
pub fn write_transaction(
    bootstrap: &str,
    topic: &str,
    numbers: std::ops::Range<u64>,
    end: End,
) -> BaseProducer {
    let producer = producer(bootstrap, Some(&crate::support::unique("writer")));
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    for number in numbers {
        send(&producer, topic, 0, Some(format!(r#"{{"n":{number}}}"#).as_bytes()));
    }
    producer.flush(PATIENCE).unwrap();
    match end {
        End::Commit => producer.commit_transaction(PATIENCE).unwrap(),
        End::Abort => producer.abort_transaction(PATIENCE).unwrap(),
        End::Leave => {}
    }
    producer
}

#[derive(Clone, Copy)]
pub enum End {
    Commit,
    Abort,
    Leave,
}

fn producer(bootstrap: &str, transactional_id: Option<&str>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config.create().unwrap()
}

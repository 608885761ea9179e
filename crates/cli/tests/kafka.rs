//! From Kafka to Kafka and to SQLite with the real program, killed again and again: each event once, in the order of its
//! partition, as Apache Kafka's own consumer and SQLite see it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sluicebox_services::Kafka;
use sluicebox_testkit::{PATIENCE, Sandbox, wait_for};

const PARTITIONS: u64 = 3;

/// How many records are written before each start, so that every kill lands in the middle of work.
const BACKLOG: u64 = 3000;

/// A name that no other test, and no earlier run, has used.
fn unique(name: &str) -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{name}-{since}-{}", std::process::id())
}

/// Writes `{"n":…}` of each number into three partitions, round robin.
fn write(bootstrap: &str, topic: &str, numbers: std::ops::Range<u64>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    for number in numbers {
        let partition = number % PARTITIONS;
        let (key, value) = (format!("key-{partition}"), format!(r#"{{"n":{number}}}"#));
        let record = BaseRecord::to(topic).partition(i32::try_from(partition).unwrap());
        let mut record = record.key(&key).payload(&value);
        while let Err((_, back)) = producer.send(record) {
            record = back;
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(PATIENCE).unwrap();
}

fn create(kafka: &Kafka, topic: &str) {
    kafka.topics(&["--create", "--topic", topic, "--partitions", "3"]);
}

/// The source of `topic`; a process that comes back has its partitions at once.
fn source(kafka: &Kafka, topic: &str) -> String {
    format!(
        "{{ type: kafka, brokers: [\"{}\"], topics: [{topic}], limit: 20, librdkafka: {{ group.instance.id: only, \
         session.timeout.ms: 6000 }} }}",
        kafka.bootstrap()
    )
}

/// Kills the program in the middle of its work, again and again, then lets it finish; the number of records there were.
fn kill_and_finish(
    (kafka, topic): (&Kafka, &str),
    sandbox: &Sandbox,
    kills: usize,
    arrived: impl Fn() -> usize,
) -> u64 {
    let (mut written, mut in_the_middle) = (0, 0);
    for round in 0..kills {
        write(&kafka.bootstrap(), topic, written..written + BACKLOG);
        written += BACKLOG;
        let before = arrived();
        let mut process = sandbox.start("run --admin off pipe.yaml");
        wait_for("more has arrived", || {
            assert!(!process.has_ended(), "{}", process.stderr());
            (arrived() > before).then_some(())
        });
        // Never at the same place.
        std::thread::sleep(Duration::from_millis(u64::try_from(round * 37 % 150).unwrap()));
        process.kill();
        process.finish();
        in_the_middle += usize::from(arrived() < usize::try_from(written).unwrap());
    }
    println!("{kills} kills, {in_the_middle} of them with records on their way");
    assert!(in_the_middle * 2 >= kills, "most kills meet records on their way: {in_the_middle}");
    sandbox.run("run --once --admin off pipe.yaml").expect(0);
    written
}

fn kills() -> usize {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(10)
}

/// Checks that each number is there once, and that those of each key are in order.
fn assert_once_and_in_order(seen: &[u64], written: u64, by_key: impl Fn(u64) -> u64) {
    let mut orders: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for number in seen {
        orders.entry(by_key(*number)).or_default().push(*number);
    }
    let mut all = seen.to_vec();
    all.sort_unstable();
    let lost = (0..written).filter(|number| all.binary_search(number).is_err()).count();
    all.dedup();
    println!("{written} records, {} lost, {} twice", lost, seen.len() - all.len());
    assert_eq!((lost, seen.len()), (0, usize::try_from(written).unwrap()));
    assert!(orders.values().all(|order| order.is_sorted()), "each partition keeps its order");
}

fn number(json: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(json).unwrap()["n"].as_u64().unwrap()
}

#[test]
fn from_kafka_to_kafka_each_record_is_there_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let (from, to) = (unique("from"), unique("to"));
    create(&kafka, &from);
    create(&kafka, &to);
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "pipe.yaml",
        &format!(
            "name: {to}\nsources:\n  in: {}\nsinks:\n  out: {{ type: kafka, inputs: [in], brokers: [\"{}\"], \
             topic: {to}, delivery: exactly_once, batch: {{ max_events: 30 }}, position_topic: {to}-positions, dead_letter_topic: {to}-letters }}\n",
            source(&kafka, &from),
            kafka.bootstrap()
        ),
    );
    let written = kill_and_finish((&kafka, &from), &sandbox, kills(), end_offsets(&kafka, &to));

    let arguments = ["--timeout-ms", "10000", "--formatter-property", "print.partition=true"];
    let shown = kafka.console_consumer(&to, &arguments);
    let numbers: Vec<u64> = shown.lines().filter_map(|line| Some(number(line.split_once('\t')?.1))).collect();
    assert_once_and_in_order(&numbers, written, |number| number % PARTITIONS);
}

/// Counts the offsets of a topic, which grow with each commit.
fn end_offsets(kafka: &Kafka, topic: &str) -> impl Fn() -> usize {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let topic = topic.to_owned();
    move || {
        let ends = (0..3).map(|partition| consumer.fetch_watermarks(&topic, partition, PATIENCE).unwrap().1);
        usize::try_from(ends.sum::<i64>()).unwrap()
    }
}

#[test]
fn from_kafka_to_sqlite_each_record_is_there_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let from = unique("rows");
    create(&kafka, &from);
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write(
        "pipe.yaml",
        &format!(
            "name: {from}\nsources:\n  in: {}\nsinks:\n  rows: {{ type: sqlite, inputs: [in], path: rows.db, table: events, batch: {{ max_events: 30 }} }}\n",
            source(&kafka, &from)
        ),
    );
    let count = || sandbox.rows("rows.db", "SELECT event FROM events").len();
    let written = kill_and_finish((&kafka, &from), &sandbox, kills().min(5), count);
    let rows = sandbox.rows("rows.db", "SELECT event FROM events ORDER BY rowid");
    let numbers: Vec<u64> = rows.iter().map(|row| number(row)).collect();
    assert_once_and_in_order(&numbers, written, |number| number % PARTITIONS);

    // A cursor for each partition, and the group knows them too.
    let cursors = sandbox.cursors();
    assert_eq!(cursors.len(), 3, "{cursors:?}");
    assert!(
        cursors.iter().all(|cursor| cursor["account"].as_str().is_some_and(|name| name.starts_with(&from))),
        "{cursors:?}"
    );
    sandbox.run("run --once --admin off pipe.yaml").expect(0);
    assert_eq!(sandbox.rows("rows.db", "SELECT event FROM events").len(), rows.len());
}

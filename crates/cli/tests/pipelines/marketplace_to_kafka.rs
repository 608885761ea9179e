//! `marketplace-to-kafka`: records read back with Apache Kafka's own console consumer, committed ones only.

use std::collections::BTreeMap;

use serde_json::Value;
use sluicebox_emulator::Api;
use sluicebox_services::Kafka;

use crate::scene::{Scene, events};

/// Enough events for every topic.
const SAMPLE: u64 = 80;
const TOPICS: [&str; 3] = ["contract", "milestone", "payment"];

/// A record as the console consumer tells it.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    headers: BTreeMap<String, String>,
    key: String,
    value: String,
}

/// The pipeline with topics of its own.
struct Publishing {
    scene: Scene,
    server: Kafka,
    prefix: String,
}

impl Publishing {
    fn new(events: u64, topics: &[&str]) -> Option<Self> {
        let server = Kafka::shared()?;
        let mut scene = Scene::new("marketplace-to-kafka", Api::OpenTrain, events);
        let prefix = scene.unique_name();
        scene.sandbox.set("KAFKA_BROKERS", server.bootstrap());
        scene.sandbox.set("KAFKA_PREFIX", &prefix);
        let publishing = Self { scene, server, prefix };
        std::thread::scope(|scope| {
            for topic in topics {
                scope.spawn(|| publishing.create(topic));
            }
        });
        Some(publishing)
    }

    fn create(&self, topic: &str) {
        let name = format!("{}.{topic}", self.prefix);
        self.server.topics(&["--create", "--topic", &name, "--partitions", "3"]);
    }

    /// Everything in some topics, each with the number of records that are meant to be there.
    fn read<const N: usize>(&self, topics: [(&str, usize); N]) -> [Vec<Record>; N] {
        std::thread::scope(|scope| {
            topics
                .map(|(topic, count)| scope.spawn(move || self.read_one(topic, count)))
                .map(|reader| reader.join().unwrap())
        })
    }

    /// The consumer takes silence for the end, and on a busy machine its own start for silence: then it reads again.
    fn read_one(&self, topic: &str, count: usize) -> Vec<Record> {
        let topic = format!("{}.{topic}", self.prefix);
        let silence = ["--timeout-ms", "8000"];
        let headers = ["--formatter-property", "print.headers=true"];
        let keys = ["--formatter-property", "print.key=true"];
        let read = || self.server.console_consumer(&topic, &[silence, headers, keys].concat());
        let mut text = read();
        for _ in 0..5 {
            if text.lines().count() >= count {
                break;
            }
            text = read();
        }
        text.lines().map(record).collect()
    }

    /// The lines of the feed whose type begins with this.
    fn wanted(&self, kind: &str) -> Vec<String> {
        let truth = self.scene.truth();
        let lines = truth.lines().zip(events(&truth));
        let is_wanted = |event: &Value| event["type"].as_str().unwrap().split('.').next() == Some(kind);
        lines.filter(|(_, event)| is_wanted(event)).map(|(line, _)| line.to_owned()).collect()
    }
}

/// A line of the console consumer: headers, key and value.
fn record(line: &str) -> Record {
    let mut parts = line.splitn(3, '\t').map(str::to_owned);
    let headers = parts.next().unwrap();
    let pairs = headers.split(',').filter_map(|pair| pair.split_once(':'));
    let headers = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Record { headers, key: parts.next().unwrap(), value: parts.next().unwrap() }
}

/// The values of each key, in order.
fn by_key(pairs: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in pairs {
        all.entry(key).or_default().push(value);
    }
    all
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn assert_topic_holds(records: &[Record], wanted: &[String]) {
    let mut found = by_key(records.iter().map(|record| (record.key.clone(), record.value.clone())));
    let key = |event: &Value| {
        event["data"]["contractId"].as_str().or(event["data"]["approvalId"].as_str()).unwrap().to_owned()
    };
    for (key, lines) in by_key(wanted.iter().map(|line| (key(&parsed(line)), line.clone()))) {
        assert_eq!(found.remove(&key), Some(lines), "{key}: each event once, byte for byte, in order");
    }
    assert_eq!(found, BTreeMap::new(), "nothing else");
    for record in records {
        let event = parsed(&record.value);
        let id = format!("opentrain:marketplace:{}", event["id"].as_str().unwrap());
        assert_eq!(record.headers["id"], id);
        assert_eq!(record.headers["type"], event["type"].as_str().unwrap());
        assert_eq!(record.headers["content-type"], "application/json");
    }
}

#[test]
fn the_marketplace_lands_in_topics_and_what_has_none_comes_later() {
    let Some(publishing) = Publishing::new(1500, &TOPICS) else { return };
    let scene = &publishing.scene;
    scene.check();
    scene.run();
    let kinds = ["contract", "milestone", "payment", "approval"];
    let [contracts, milestones, payments, approvals] = kinds.map(|kind| publishing.wanted(kind));
    let [contract, milestone, payment, letters] = publishing.read([
        ("contract", contracts.len()),
        ("milestone", milestones.len()),
        ("payment", payments.len()),
        ("dead-letters", approvals.len()),
    ]);
    for (records, wanted) in [(&contract, &contracts), (&milestone, &milestones), (&payment, &payments)] {
        assert_topic_holds(records, wanted);
    }

    // Nobody made a topic for approvals: they are in the topic of dead letters, committed with the rest.
    assert!(!approvals.is_empty());
    let put_aside: Vec<Value> = letters.iter().map(|record| parsed(&record.value)["event"].clone()).collect();
    assert_eq!(put_aside, approvals.iter().map(|line| parsed(line)).collect::<Vec<_>>());
    assert_eq!(scene.sandbox.dead_letters().len(), approvals.len());

    publishing.create("approval");
    scene.sandbox.run("dlq replay").expect(0);
    scene.feed.append(0, 300);
    scene.run();
    assert_eq!(scene.sandbox.dead_letters(), [] as [Value; 0]);
    let (contracts, approvals) = (publishing.wanted("contract"), publishing.wanted("approval"));
    let [contract, approval] =
        publishing.read([("contract", contracts.len()), ("approval", approvals.len())]);
    assert_topic_holds(&contract, &contracts);
    assert_topic_holds(&approval, &approvals);
}

#[test]
fn the_topics_hold_what_lies_beside_the_pipeline() {
    let Some(publishing) = Publishing::new(SAMPLE, &TOPICS) else { return };
    publishing.scene.run();
    publishing.scene.assert_lies_beside("sample/events.jsonl", &publishing.scene.truth());
    let counted = TOPICS.map(|topic| (topic, publishing.wanted(topic).len()));
    for (topic, mut records) in TOPICS.into_iter().zip(publishing.read(counted)) {
        // Which partition is read first is chance.
        records.sort_by_key(|record| parsed(&record.value)["id"].as_str().map(str::to_owned));
        let line = |record: Record| format!("{}\t{}\n", record.key, record.value);
        let lines: String = records.into_iter().map(line).collect();
        publishing.scene.assert_lies_beside(&format!("expected/marketplace.{topic}.tsv"), &lines);
    }
}

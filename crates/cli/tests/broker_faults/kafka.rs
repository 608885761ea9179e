//! Apache Kafka: leaders that move, topics that are not there, records that are too large, transactions whose end nobody
//! heard of, owners that were replaced.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_services::Kafka;
use sluicebox_testkit::{Direction, FaultProxy, Feed, PATIENCE, Sandbox, Stub, wait_for};

use crate::{begin, end, feed, number, once, paused, said, unique};

/// A topic of one partition.
fn create(bootstrap: &str, topic: &str, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let made = futures::executor::block_on(admin.create_topics([&new], &AdminOptions::new()));
    made.unwrap().into_iter().for_each(|result| drop(result.unwrap()));
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "nobody").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false").create().unwrap()
}

/// What can be read in the topic, records of transactions that did not end left out.
fn committed(bootstrap: &str, topic: &str) -> Vec<String> {
    let consumer = consumer(bootstrap);
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&place).unwrap();
    let mut texts = Vec::new();
    loop {
        match consumer.poll(PATIENCE).expect("records or the end of the partition") {
            Ok(record) => texts.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap()),
            Err(KafkaError::PartitionEOF(_)) => return texts,
            // A broker of several may be away.
            Err(error) => assert!(error.rdkafka_error_code().is_some(), "{error}"),
        }
    }
}

fn numbers(texts: &[String]) -> Vec<usize> {
    texts.iter().map(|text| number(text)).collect()
}

/// The options of a sink that writes to a topic of that name, with what it needs beside.
fn sink(topic: &str, brokers: &str, options: &str) -> String {
    let brokers: Vec<String> = brokers.split(',').map(|broker| format!("\"{broker}\"")).collect();
    format!(
        "name: {topic}\nsinks:\n  broker: {{ inputs: [feed], type: kafka, brokers: [{}], topic: {topic}, \
         timestamp: write_time, compression: none, position_topic: {topic}-positions, \
         dead_letter_topic: {topic}-letters, retry: {{ initial: 500ms, max: 1s }}, {options} }}\n",
        brokers.join(", ")
    )
}

/// A pipeline of the same name as its topic, with what it reads.
struct Scene {
    sandbox: Sandbox,
    topic: String,
    _stub: Stub,
}

impl Scene {
    fn new(name: &str, kafka: &Kafka, stub: Stub, options: &str) -> Self {
        let (topic, sandbox) = (unique(name), Sandbox::new(env!("CARGO_BIN_EXE_sluicebox")));
        sandbox.pipe(&stub, 20, &sink(&topic, &kafka.bootstrap(), options));
        Self { sandbox, topic, _stub: stub }
    }
}

/// The same over a feed that flows for as long as it is let.
struct Flow {
    feed: Feed,
    topic: String,
}

impl Flow {
    fn new(name: &str, brokers: &str, options: &str) -> Self {
        let served = Options { events: 100_000, rate: 200.0, ..Options::new(Api::OpenTrain) };
        let (topic, feed) = (unique(name), Feed::new(env!("CARGO_BIN_EXE_sluicebox"), served));
        feed.pipeline("limit: 20", &sink(&topic, brokers, options));
        Self { feed, topic }
    }

    /// Ends the flow with what can be seen of it now, and waits until that is done for good.
    fn finish(&self) {
        let seen = self.feed.served.visible(0);
        self.feed.served.set_visible(0, seen);
        let truth = self.feed.served.truth(0);
        let last: Value = serde_json::from_str(truth.last().unwrap()).unwrap();
        wait_for("the end of the feed", || (self.feed.cursor(0)["cursor"] == last["id"]).then_some(()));
    }

    #[track_caller]
    fn assert_whole(&self, bootstrap: &str, why: &str) {
        let (found, truth) = (committed(bootstrap, &self.topic), self.feed.served.truth(0));
        assert_eq!(found.len(), truth.len(), "{why}");
        assert!(found == truth, "each event once, in order, byte for byte: {why}");
        assert_eq!(self.feed.dead_letters().len(), 0);
    }
}

const EXACTLY: &str = "delivery: exactly_once";
const PLAIN: &str = "delivery: at_least_once";

#[test]
fn a_leader_that_moves_and_a_broker_that_comes_back_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Kafka::private(folder.path(), 3) else { return };
    let bootstrap = kafka.bootstrap();
    let flow = Flow::new("leader", &bootstrap, &format!("{EXACTLY}, timeout: 3s"));
    create(&bootstrap, &flow.topic, &[]);
    let watcher = consumer(&bootstrap);
    let leader = || {
        let metadata = watcher.fetch_metadata(Some(&flow.topic), PATIENCE).ok()?;
        usize::try_from(metadata.topics().first()?.partitions().first()?.leader()).ok()
    };
    let process = begin(&flow.feed);
    wait_for("the first events", || (!flow.feed.cursor(0)["cursor"].is_null()).then_some(()));
    let first = wait_for("a leader", leader);
    let broker = index(&kafka, &watcher, first);
    kafka.kill(broker);
    wait_for("another leader", || leader().filter(|now| *now != first));
    let before = flow.feed.cursor(0)["cursor"].clone();
    wait_for("events that the new leader takes", || (flow.feed.cursor(0)["cursor"] != before).then_some(()));
    kafka.start(broker);
    flow.finish();
    let ended = end(process);
    flow.assert_whole(&bootstrap, &ended.stderr);
}

/// Which of our brokers has that number in the cluster.
fn index(kafka: &Kafka, watcher: &BaseConsumer, id: usize) -> usize {
    let metadata = watcher.fetch_metadata(None, PATIENCE).unwrap();
    let of_id = |broker: &&rdkafka::metadata::MetadataBroker| usize::try_from(broker.id()) == Ok(id);
    let port = metadata.brokers().iter().find(of_id).unwrap().port();
    let bootstrap = kafka.bootstrap();
    bootstrap.split(',').position(|address| address.ends_with(&format!(":{port}"))).unwrap()
}

#[test]
fn an_unknown_topic_pauses_until_somebody_makes_it() {
    let Some(kafka) = Kafka::shared() else { return };
    let wait_for_topic = |delivery: &str| {
        let scene = Scene::new("unknown", &kafka, feed(50), delivery);
        let told = paused(&scene.sandbox, "broker");
        assert!(told.contains(&format!("there is no topic `{}`", scene.topic)), "{told}");
        assert!(told.contains("kafka-topics.sh --create"), "what to do: {told}");
        create(&kafka.bootstrap(), &scene.topic, &[]);
        once(&scene.sandbox).expect(0);
        let found = numbers(&committed(&kafka.bootstrap(), &scene.topic));
        assert_eq!(found, (1..=50).collect::<Vec<_>>(), "{delivery}");
    };
    // The client gives a topic that is new some seconds to show itself.
    std::thread::scope(|scope| {
        for delivery in [PLAIN, EXACTLY] {
            scope.spawn(|| wait_for_topic(delivery));
        }
    });
}

#[test]
fn a_record_that_the_topic_does_not_take_is_a_dead_letter() {
    let Some(kafka) = Kafka::shared() else { return };
    for delivery in [PLAIN, EXACTLY] {
        let text = |id: usize| "x".repeat(if id == 37 { 40_000 } else { 10 });
        let event = |id: usize| Stub::event(id, &format!("{{\"n\":{id},\"text\":\"{}\"}}", text(id)));
        let stub = Stub::feed((1..=100).map(event).collect());
        let scene = Scene::new("large", &kafka, stub, delivery);
        create(&kafka.bootstrap(), &scene.topic, &[("max.message.bytes", "20000")]);
        let ended = once(&scene.sandbox).expect(0);
        let others: Vec<usize> = (1..=100).filter(|id| *id != 37).collect();
        let found = numbers(&committed(&kafka.bootstrap(), &scene.topic));
        assert_eq!(found, others, "{delivery}: {}", ended.stderr);
        let letters = scene.sandbox.dead_letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        let (id, reason) = (&letters[0]["meta"]["id"], &letters[0]["reason"]);
        assert_eq!((id.as_str(), reason.as_str()), (Some("opentrain:feed:37"), Some("too_large")));
        for noise in ["end of partition", "Current transaction failed"] {
            assert!(!ended.stderr.contains(noise), "the sink says what matters: {}", ended.stderr);
        }
        let told = said(&ended.log(), "dead_letter");
        assert!(told.len() == 1 && told[0].contains("opentrain:feed:37"), "{told:?}");
    }
}

#[test]
fn an_owner_that_was_replaced_ends_and_its_successor_goes_on() {
    let Some(kafka) = Kafka::shared() else { return };
    let flow = Flow::new("fenced", &kafka.bootstrap(), EXACTLY);
    create(&kafka.bootstrap(), &flow.topic, &[]);
    let first = flow.feed.start("run --log-format json --admin off --state-dir first p.yaml");
    let arrived = || committed(&kafka.bootstrap(), &flow.topic).len();
    wait_for("the first events", || (arrived() > 0).then_some(()));
    let second = flow.feed.start("run --log-format json --admin off p.yaml");
    let ended = first.finish().expect(75);
    let last = ended.log().last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(last.contains("another instance has taken over the positions of `broker`"), "{last}");
    flow.finish();
    let ended = end(second);
    flow.assert_whole(&kafka.bootstrap(), &ended.stderr);
}

/// The broker has ended the transaction, and its answer is held back until the sink gives up waiting for it.
#[test]
fn a_transaction_whose_end_nobody_heard_of_is_looked_up() {
    silent(|proxy, visible| {
        proxy.delay_replies(Duration::from_millis(700));
        // The first may have been under way already; the answer to the end of the second is on its way now.
        for _ in 0..2 {
            let before = visible();
            wait_for("a window that is committed", || (visible() > before).then_some(()));
        }
        proxy.freeze_only(Direction::Replies);
    });
}

/// The broker never hears of the end of the transaction, and takes back what it has of it.
#[test]
fn a_transaction_that_does_not_end_is_aborted_and_written_again() {
    silent(|proxy, _| {
        let sent = proxy.messages(Direction::Requests);
        wait_for("a transaction under way", || (proxy.messages(Direction::Requests) > sent).then_some(()));
        proxy.freeze();
    });
}

/// Runs while the broker goes silent in the middle of a transaction, and comes back.
fn silent(go_silent: impl FnOnce(&FaultProxy, &dyn Fn() -> usize)) {
    let Some(kafka) = Kafka::shared() else { return };
    let proxy = FaultProxy::before_kafka(&kafka, 0);
    let flow = Flow::new("silent", &proxy.address().to_string(), &format!("{EXACTLY}, timeout: 3s"));
    create(&kafka.bootstrap(), &flow.topic, &[]);
    let mut process = begin(&flow.feed);
    let visible = || committed(&kafka.bootstrap(), &flow.topic).len();
    wait_for("the first events", || (visible() > 0).then_some(()));
    go_silent(&proxy, &visible);
    let line = process.wait_for_log("\"retry\"");
    assert!(line.contains("trying again in"), "{line}");
    proxy.heal();
    proxy.thaw();
    flow.finish();
    let ended = end(process);
    flow.assert_whole(&kafka.bootstrap(), &ended.stderr);
    assert!(!said(&ended.log(), "resumed").is_empty(), "{}", ended.stderr);
}

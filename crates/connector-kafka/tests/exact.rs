//! The `kafka` sink exactly once, against a real broker.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up should panic")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use sluicebox_core::{
    Committed, DeadLetter, DeadLetterError, ErrorClass, Event, Opened, Position, Reason, Shard, Timestamp,
    TransactionalSink, Window,
};
use sluicebox_services::Kafka;
use sluicebox_testkit::{Direction, FaultProxy};
use support::{PATIENCE, committed, create_topic, event, events, exact, numbers, options, topic, unique};

/// A pipeline of the test's own with topics of its own.
struct Stage {
    bootstrap: String,
    pipeline: String,
    topic: String,
    positions: String,
    letters: String,
}

impl Stage {
    async fn of(kafka: &Kafka, name: &str) -> Self {
        Self {
            bootstrap: kafka.bootstrap(),
            pipeline: unique(name),
            topic: topic(kafka, name, 3).await,
            positions: unique(&format!("{name}-positions")),
            letters: unique(&format!("{name}-letters")),
        }
    }

    async fn sink(&self, extra: Value) -> Box<dyn TransactionalSink> {
        let mut all = json!({ "position_topic": self.positions, "dead_letter_topic": self.letters });
        for (name, value) in extra.as_object().unwrap() {
            all[name] = value.clone();
        }
        exact(&self.pipeline, options(&self.bootstrap, &self.topic, all)).await
    }

    fn shard(&self, epoch: u64) -> Shard {
        Shard { pipeline: self.pipeline.as_str().into(), sink: "broker".into(), epoch }
    }

    async fn open(&self, epoch: u64) -> (Box<dyn TransactionalSink>, Opened) {
        let mut sink = self.sink(json!({})).await;
        let opened = sink.open(&self.shard(epoch)).await.unwrap();
        (sink, opened)
    }

    async fn visible(&self) -> Vec<usize> {
        numbers(&committed(&self.bootstrap, &self.topic).await)
    }
}

fn position(partition: &str, epoch: u64, seq: u64) -> Position {
    Position {
        source: "feed".into(),
        partition: partition.into(),
        epoch,
        safe_seq: seq,
        safe_cursor: Some(Bytes::from(format!("cursor-{seq}"))),
        ahead: vec!["feed:a:999".into()],
    }
}

async fn commit(sink: &mut dyn TransactionalSink, events: &[Event], position: Position) {
    let window = Window { events, dead_letters: &[], positions: &[position] };
    let result = sink.commit(&window).await;
    assert!(matches!(result, Ok(Committed::All)), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_dead_letters_and_positions_are_one_transaction() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "one").await;
    let (mut sink, opened) = stage.open(0).await;
    assert_eq!((opened.epoch, opened.positions.len()), (0, 0));
    commit(&mut *sink, &events(0..100), position("a", 0, 1)).await;
    let error = DeadLetterError::new("no such shop");
    let letter = DeadLetter::new(
        "broker",
        &event(100, "k", r#"{"n": 1.10}"#),
        Reason::Rejected,
        error,
        Timestamp::from_millis(0),
    );
    let positions = [position("a", 0, 2), position("b", 0, 1)];
    let window = Window { events: &events(101..150), dead_letters: &[letter], positions: &positions };
    assert!(matches!(sink.commit(&window).await, Ok(Committed::All)));
    sink.close().await.unwrap();

    let expected: Vec<_> = (0..100).chain(101..150).collect();
    assert_eq!(stage.visible().await, expected);
    let letters = committed(&stage.bootstrap, &stage.letters).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].value.contains(r#""event":{"n": 1.10}"#), "{}", letters[0].value);

    let (_, mut opened) = stage.open(0).await;
    opened.positions.sort_by_key(|position| position.partition.clone());
    assert_eq!((opened.epoch, &opened.positions[..]), (1, &positions[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_never_be_written_leaves_nothing_behind() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "guilty").await;
    let mut sink =
        stage.sink(json!({ "max_message_bytes": "10KB", "headers": { "x": "{{ event.n + 1 }}" } })).await;
    sink.open(&stage.shard(0)).await.unwrap();
    let mut batch = events(0..10);
    batch[3] = event(3, "k", &format!(r#"{{"n":3,"text":"{}"}}"#, "x".repeat(20_000)));
    batch[6] = event(6, "k", r#"{"m":6}"#);
    let positions = [position("a", 0, 1)];
    let window = Window { events: &batch, dead_letters: &[], positions: &positions };
    let Ok(Committed::Nothing(rejected)) = sink.commit(&window).await else { panic!("rows are guilty") };
    let rejected: Vec<_> = rejected.iter().map(|it| (it.index, it.error.reason())).collect();
    assert_eq!(rejected, [(3, "too_large"), (6, "script")]);
    assert!(stage.visible().await.is_empty());
    batch.remove(6);
    batch.remove(3);
    commit(&mut *sink, &batch, position("a", 0, 1)).await;
    assert_eq!(stage.visible().await, [0, 1, 2, 4, 5, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_is_found_one_by_one() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "broker-refuses").await;
    let name = unique("small");
    create_topic(&stage.bootstrap, &name, 1, &[("max.message.bytes", "20000")]).await;
    let mut sink = stage.sink(json!({ "topic": name, "compression": "none" })).await;
    sink.open(&stage.shard(0)).await.unwrap();
    let large = |number: usize, bytes: usize| {
        event(number, "k", &format!(r#"{{"n":{number},"text":"{}"}}"#, "x".repeat(bytes)))
    };
    // More behind it than are ever under way at once: what is still in the queue then is not reported by itself.
    let bytes = |number| if number == 2 { 30_000 } else { 9000 };
    let mut batch: Vec<_> = (0..40).map(|number| large(number, bytes(number))).collect();
    let mut letters = Vec::new();
    for _ in 0..10 {
        let window = Window { events: &batch, dead_letters: &[], positions: &[position("a", 0, 1)] };
        match sink.commit(&window).await {
            Ok(Committed::All) => break,
            Ok(Committed::Nothing(rejected)) => {
                for refusal in rejected.into_iter().rev() {
                    assert_eq!(refusal.error.reason(), "too_large");
                    letters.push(batch.remove(refusal.index).meta().id.to_string());
                }
            }
            Err(error) => assert!(error.class().is_retryable(), "{}", error.chain()),
        }
    }
    assert_eq!(letters, ["feed:a:2"]);
    let others: Vec<_> = (0..40).filter(|number| *number != 2).collect();
    assert_eq!(numbers(&committed(&stage.bootstrap, &name).await), others);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_was_taken_over_from_is_fenced() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "fence").await;
    let (mut first, _) = stage.open(0).await;
    commit(&mut *first, &events(0..10), position("a", 0, 1)).await;
    let (mut second, opened) = stage.open(0).await;
    assert_eq!((opened.epoch, &opened.positions[..]), (1, &[position("a", 0, 1)][..]));
    let window = Window { events: &events(10..20), dead_letters: &[], positions: &[position("a", 0, 2)] };
    for _ in 0..2 {
        let error = first.commit(&window).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fenced, "{}", error.chain());
    }
    commit(&mut *second, &events(20..30), position("a", 1, 2)).await;
    let expected: Vec<_> = (0..10).chain(20..30).collect();
    assert_eq!(stage.visible().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_fixed_topic_is_a_pause() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "missing").await;
    let mut sink = stage.sink(json!({ "topic": unique("nowhere"), "timeout": "20s" })).await;
    sink.open(&stage.shard(0)).await.unwrap();
    let window = Window { events: &events(0..3), dead_letters: &[], positions: &[position("a", 0, 1)] };
    let error = sink.commit(&window).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_whose_end_nobody_heard_is_not_written_twice() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "unheard").await;
    let (mut sink, _) = stage.open(0).await;
    let batch = events(0..50);
    let mut is_heard = false;
    for seq in 1..6 {
        let positions = [position("a", 0, seq)];
        let window = Window { events: &batch[..10], dead_letters: &[], positions: &positions };
        // The caller goes away while the commit is on its way, and comes again with the same events; what other sinks
        // have settled meanwhile has moved the position on.
        let ended = tokio::time::timeout(Duration::from_micros(300 * seq), sink.commit(&window)).await;
        is_heard = ended.is_ok_and(|result| matches!(result, Ok(Committed::All)));
        if is_heard {
            // Faster than its caller is impatient: who hears that comes with other events.
            break;
        }
    }
    if !is_heard {
        commit(&mut *sink, &batch[..10], position("a", 0, 6)).await;
    }
    assert_eq!(stage.visible().await, (0..10).collect::<Vec<_>>());
    commit(&mut *sink, &batch[10..], position("a", 0, 7)).await;
    assert_eq!(stage.visible().await, (0..50).collect::<Vec<_>>());
    let (_, opened) = stage.open(0).await;
    assert_eq!(opened.positions, [position("a", 0, 7)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_recognised() {
    let Some(kafka) = Kafka::shared() else { return };
    let proxy = FaultProxy::before_kafka(&kafka, 0);
    let stage = Stage::of(&kafka, "lost").await;
    let brokers = json!({ "brokers": [proxy.address().to_string()], "timeout": "10s" });
    let mut sink = stage.sink(brokers).await;
    sink.open(&stage.shard(0)).await.unwrap();
    commit(&mut *sink, &events(0..10), position("a", 0, 1)).await;
    // Answers are late, so that there is time to see the window committed and to hold back the answer that says so.
    proxy.delay_replies(Duration::from_secs(2));
    let batch = events(10..20);
    let unanswered = async {
        let window = Window { events: &batch, dead_letters: &[], positions: &[position("a", 0, 2)] };
        sink.commit(&window).await
    };
    let hold_back = async {
        for _ in 0..100 {
            if stage.visible().await.len() == 20 {
                return proxy.freeze_only(Direction::Replies);
            }
        }
        panic!("the window is never committed");
    };
    let (result, ()) = tokio::join!(unanswered, hold_back);
    let error = result.unwrap_err();
    assert!(error.class().is_retryable(), "{}", error.chain());
    proxy.heal();
    proxy.thaw();
    // Other sinks have settled something meanwhile: the same events, a later position.
    let window = (batch, [position("a", 0, 3)]);
    commit_in_the_end(&mut *sink, &window).await;
    commit(&mut *sink, &events(20..30), position("a", 0, 4)).await;
    assert_eq!(stage.visible().await, (0..30).collect::<Vec<_>>());
    let (_, opened) = stage.open(0).await;
    assert_eq!(opened.positions, [position("a", 0, 4)]);
}

/// Somebody who uses our transactional id, and who may write into the position topic.
async fn stranger(stage: &Stage, position: Option<(&str, Value)>) {
    let (bootstrap, topic) = (stage.bootstrap.clone(), stage.positions.clone());
    let id = format!("sluicebox-{}-broker", stage.pipeline);
    let record = position.map(|(partition, value)| {
        (json!([stage.pipeline, "broker", "feed", partition]).to_string(), value.to_string())
    });
    let write = move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("transactional.id", id);
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        if let Some((key, value)) = &record {
            producer.begin_transaction().unwrap();
            producer
                .send(BaseRecord::to(&topic).key(key).payload(value))
                .map_err(|(error, _)| error)
                .unwrap();
            producer.commit_transaction(PATIENCE).unwrap();
        }
    };
    tokio::task::spawn_blocking(write).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_without_a_claim_is_no_new_owner() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "stranger").await;
    let (mut sink, _) = stage.open(0).await;
    commit(&mut *sink, &events(0..10), position("a", 0, 1)).await;
    stranger(&stage, None).await;
    let window = Window { events: &events(10..20), dead_letters: &[], positions: &[position("a", 0, 2)] };
    let error = sink.commit(&window).await.unwrap_err();
    assert!(error.class().is_retryable(), "{}", error.chain());
    assert!(matches!(sink.commit(&window).await, Ok(Committed::All)));
    assert_eq!(stage.visible().await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_went_back_are_noticed() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "back").await;
    let (mut sink, _) = stage.open(0).await;
    commit(&mut *sink, &events(0..10), position("a", 0, 1)).await;
    commit(&mut *sink, &events(10..20), position("a", 0, 2)).await;
    stranger(&stage, Some(("a", json!({ "epoch": 0, "safe_seq": 1, "ahead": [] })))).await;
    let window = Window { events: &events(20..30), dead_letters: &[], positions: &[position("a", 0, 3)] };
    assert!(sink.commit(&window).await.unwrap_err().class().is_retryable());
    let error = sink.commit(&window).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::State, "{}", error.chain());
    assert_eq!(stage.visible().await, (0..20).collect::<Vec<_>>());
}

/// Kills a broker of three while a window is on its way, at a different moment each time.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_die_in_the_middle_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kafka) = Kafka::private(folder.path(), 3) else { return };
    let stage = Stage::of(&kafka, "kill").await;
    let mut sink = stage.sink(json!({ "timeout": "5s" })).await;
    sink.open(&stage.shard(0)).await.unwrap();
    let mut seq = 0;
    for round in 0..4 {
        for _ in 0..5 {
            commit(&mut *sink, &events(seq * 10..seq * 10 + 10), position("a", 0, seq as u64 + 1)).await;
            seq += 1;
        }
        let window = (events(seq * 10..seq * 10 + 10), [position("a", 0, seq as u64 + 1)]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(3 * round));
                let broker = usize::try_from(round).unwrap() % 3;
                kafka.kill(broker);
                kafka.start(broker);
            });
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| handle.block_on(commit_in_the_end(&mut *sink, &window)));
        });
        seq += 1;
    }
    let visible = stage.visible().await;
    assert_eq!(visible.len(), seq * 10);
    assert!(visible.into_iter().eq(0..seq * 10));
    let (_, opened) = stage.open(0).await;
    assert_eq!(opened.positions, [position("a", 0, seq as u64)]);
}

async fn commit_in_the_end(
    sink: &mut dyn TransactionalSink,
    (events, positions): &(Vec<Event>, [Position; 1]),
) {
    for _ in 0..60 {
        match sink.commit(&Window { events, dead_letters: &[], positions }).await {
            Ok(Committed::All) => return,
            Ok(Committed::Nothing(rejected)) => panic!("{rejected:?}"),
            Err(error) => assert!(error.class().is_retryable(), "{}", error.chain()),
        }
    }
    panic!("the window is never committed");
}

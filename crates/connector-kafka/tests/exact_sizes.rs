//! The `kafka` sink exactly once, where its own records would be too large for the topics they go to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed set-up should panic")]

mod support;

use bytes::Bytes;
use serde_json::{Value, json};
use sluicebox_core::{
    Committed, DeadLetter, DeadLetterError, Event, Opened, Position, Reason, Shard, Timestamp,
    TransactionalSink, Window,
};
use sluicebox_services::Kafka;
use support::{committed, create_topic, event, events, exact, numbers, options, topic, unique};

/// A sink with topics of its own, before and after a restart.
struct Stage {
    pipeline: String,
    bootstrap: String,
    topic: String,
    own: Value,
}

impl Stage {
    async fn of(kafka: &Kafka, extra: Value) -> Self {
        let mut own =
            json!({ "position_topic": unique("positions"), "dead_letter_topic": unique("letters") });
        for (name, value) in extra.as_object().unwrap() {
            own[name] = value.clone();
        }
        let topic = topic(kafka, "sizes", 1).await;
        Self { pipeline: unique("sizes"), bootstrap: kafka.bootstrap(), topic, own }
    }

    async fn open(&self) -> (Box<dyn TransactionalSink>, Opened) {
        let options = options(&self.bootstrap, &self.topic, self.own.clone());
        let mut sink = exact(&self.pipeline, options).await;
        let shard = Shard { pipeline: self.pipeline.as_str().into(), sink: "broker".into(), epoch: 0 };
        let opened = sink.open(&shard).await.unwrap();
        (sink, opened)
    }
}

fn position(partition: &str, seq: u64, ahead: usize) -> Position {
    let id = |number: usize| format!("feed:{partition}:{number:040}-7c9f5bc1-2f4e-4a55-9d1e-0d3a2b1c4e5f");
    Position {
        source: "feed".into(),
        partition: partition.into(),
        epoch: 0,
        safe_seq: seq,
        safe_cursor: Some(Bytes::from("cursor")),
        ahead: (0..ahead).map(|number| id(number).into()).collect(),
    }
}

async fn commit(sink: &mut dyn TransactionalSink, window: (&[Event], &[DeadLetter], &[Position])) {
    let (events, dead_letters, positions) = window;
    let result = sink.commit(&Window { events, dead_letters, positions }).await;
    assert!(matches!(result, Ok(Committed::All)), "{result:?}");
}

/// The position of a fast sink beside one that has stopped: it names everything that may be in flight.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_far_ahead_is_committed_and_read_again() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, json!({})).await;
    let (mut sink, _) = stage.open().await;
    let far = [position("a", 1, 16_384 + 1000), position("b", 1, 3)];
    commit(&mut *sink, (&events(0..10), &[], &far)).await;
    let (mut sink, mut opened) = stage.open().await;
    opened.positions.sort_by_key(|position| position.partition.clone());
    assert!(opened.positions == far);
    // The other sink works again.
    let near = position("a", 9, 2);
    commit(&mut *sink, (&events(10..20), &[], std::slice::from_ref(&near))).await;
    let (_, mut opened) = stage.open().await;
    opened.positions.sort_by_key(|position| position.partition.clone());
    assert_eq!(opened.positions, [near, position("b", 1, 3)]);
    assert_eq!(numbers(&committed(&stage.bootstrap, &stage.topic).await), (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_too_large_is_told_of_without_its_event() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, json!({ "max_message_bytes": "10KB" })).await;
    let (mut sink, _) = stage.open().await;
    let large = event(7, "k", &format!(r#"{{"n":7,"text":"{}"}}"#, "x".repeat(20_000)));
    let error = DeadLetterError::new("too large");
    let letter = DeadLetter::new("broker", &large, Reason::TooLarge, error, Timestamp::from_millis(0));
    commit(&mut *sink, (&events(0..3), &[letter], &[position("a", 1, 0)])).await;
    let letters = committed(&stage.bootstrap, stage.own["dead_letter_topic"].as_str().unwrap()).await;
    let letter: Value = serde_json::from_str(&letters[0].value).unwrap();
    assert_eq!((&letter["event"], &letter["id"], letters.len()), (&Value::Null, &json!("feed:a:7"), 1));
}

/// Two hundred accounts in one window, and a position topic that takes little.
#[tokio::test(flavor = "multi_thread")]
async fn many_positions_find_room_in_a_narrow_topic() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, json!({ "compression": "none" })).await;
    let name = stage.own["position_topic"].as_str().unwrap();
    let settings = [("cleanup.policy", "compact"), ("max.message.bytes", "4000")];
    create_topic(&stage.bootstrap, name, 1, &settings).await;
    let (mut sink, _) = stage.open().await;
    let many: Vec<_> = (0..200).map(|account| position(&format!("{account:03}"), 1, 100)).collect();
    commit(&mut *sink, (&events(0..10), &[], &many)).await;
    let (_, mut opened) = stage.open().await;
    opened.positions.sort_by_key(|position| position.partition.clone());
    assert!(opened.positions == many);
}

//! Writers that are killed, and a writer that sleeps while another takes over: what is visible is the position's past.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed set-up should panic; the child reports by lines"
)]

mod support;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use serde_json::json;
use sluicebox_core::{Committed, Opened, Position, Shard, TransactionalSink, Window};
use sluicebox_services::Kafka;
use support::{committed, events, exact, numbers, options, topic, unique};

const STAGE: &str = "SLUICEBOX_TEST_STAGE";

/// Events in a window.
const WINDOW: usize = 20;

/// Broker, pipeline and topic of a test.
#[derive(Clone)]
struct Stage {
    bootstrap: String,
    pipeline: String,
    topic: String,
}

impl Stage {
    async fn of(kafka: &Kafka, name: &str) -> Self {
        Self { bootstrap: kafka.bootstrap(), pipeline: unique(name), topic: topic(kafka, name, 2).await }
    }

    async fn open(&self) -> (Box<dyn TransactionalSink>, Opened) {
        let own = json!({ "position_topic": format!("{}-positions", self.pipeline) });
        let mut sink = exact(&self.pipeline, options(&self.bootstrap, &self.topic, own)).await;
        let shard = Shard { pipeline: self.pipeline.as_str().into(), sink: "broker".into(), epoch: 0 };
        let opened = sink.open(&shard).await.unwrap();
        (sink, opened)
    }

    fn spawn(&self) -> Writer {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env(STAGE, [&*self.bootstrap, &self.pipeline, &self.topic].join(" "))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Writer { child, lines }
    }

    /// What is visible is exactly what the position says, once.
    async fn assert_in_step(&self, seq: usize) {
        let visible = numbers(&committed(&self.bootstrap, &self.topic).await);
        let wrong: Vec<_> =
            (0..seq * WINDOW).zip(&visible).filter(|(number, seen)| number != *seen).collect();
        assert_eq!((visible.len(), wrong.first()), (seq * WINDOW, None), "{}", self.topic);
    }
}

fn seq(opened: &Opened) -> usize {
    opened.positions.first().map_or(0, |position| usize::try_from(position.safe_seq).unwrap())
}

async fn commit(
    sink: &mut dyn TransactionalSink,
    epoch: u64,
    number: usize,
) -> sluicebox_core::Result<Committed> {
    let positions = [Position {
        source: "feed".into(),
        partition: "a".into(),
        epoch,
        safe_seq: number as u64 + 1,
        safe_cursor: Some(Bytes::from(number.to_string())),
        ahead: Vec::new(),
    }];
    let events = events(number * WINDOW..(number + 1) * WINDOW);
    sink.commit(&Window { events: &events, dead_letters: &[], positions: &positions }).await
}

/// A child that commits window after window.
struct Writer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    /// Waits until it has committed so many windows more.
    fn committed(&mut self, windows: usize) {
        let lines = self.lines.by_ref().map(Result::unwrap);
        assert_eq!(lines.filter(|line| line.contains("committed")).take(windows).count(), windows);
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test of its own: the process that those below start.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the tests in this file"]
async fn writer() {
    let Ok(stage) = std::env::var(STAGE) else { return };
    let parts: Vec<String> = stage.split(' ').map(str::to_owned).collect();
    let [bootstrap, pipeline, topic] = <[String; 3]>::try_from(parts).unwrap();
    let (mut sink, opened) = Stage { bootstrap, pipeline, topic }.open().await;
    let mut number = seq(&opened);
    loop {
        match commit(&mut *sink, opened.epoch, number).await {
            Ok(Committed::All) => {
                number += 1;
                println!("committed {number}");
            }
            Ok(Committed::Nothing(rejected)) => panic!("{rejected:?}"),
            Err(error) if error.class().is_retryable() => println!("again {}", error.chain()),
            Err(error) => {
                println!("failed {} {}", error.class().as_str(), error.chain());
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_writer_leaves_records_and_position_in_step() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "killed").await;
    for windows in [1, 3, 7, 20, 30] {
        let mut writer = stage.spawn();
        writer.committed(windows);
        writer.kill();
    }
    let (mut sink, opened) = stage.open().await;
    assert_eq!(opened.epoch, 5);
    stage.assert_in_step(seq(&opened)).await;
    let next = seq(&opened);
    assert!(next >= 61, "{next}");
    assert!(matches!(commit(&mut *sink, 5, next).await, Ok(Committed::All)));
    stage.assert_in_step(next + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_through_a_takeover_writes_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage::of(&kafka, "zombie").await;
    for _ in 0..3 {
        let mut zombie = stage.spawn();
        zombie.committed(5);
        // In the middle of whatever it is doing.
        zombie.signal("-STOP");
        let (mut sink, opened) = stage.open().await;
        let mut number = seq(&opened);
        stage.assert_in_step(number).await;
        for _ in 0..5 {
            assert!(matches!(commit(&mut *sink, opened.epoch, number).await, Ok(Committed::All)));
            number += 1;
        }
        zombie.signal("-CONT");
        let last = zombie.lines.by_ref().map(Result::unwrap).find(|line| line.contains("failed"));
        let last = last.unwrap();
        assert!(last.contains("failed fenced"), "{last}");
        zombie.child.wait().unwrap();
        assert!(matches!(commit(&mut *sink, opened.epoch, number).await, Ok(Committed::All)));
        stage.assert_in_step(number + 1).await;
        sink.close().await.unwrap();
    }
}

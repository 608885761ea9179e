//! Several owners of the same positions at once, each behind a line that breaks: they take over from each other in the
//! middle of everything, give up commits half-way and come back. What is visible is one history all the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a failed set-up should panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use sluicebox_core::{Committed, ErrorClass, Opened, Position, Shard, TransactionalSink, Window};
use sluicebox_services::Kafka;
use sluicebox_testkit::{Direction, FaultProxy};
use support::{committed, events, exact, numbers, options, topic, unique};

const WINDOW: usize = 7;
const OWNERS: u64 = 3;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Clone)]
struct Stage {
    pipeline: String,
    topic: String,
}

impl Stage {
    async fn open(&self, broker: &str) -> sluicebox_core::Result<(Box<dyn TransactionalSink>, Opened)> {
        let own = json!({ "position_topic": format!("{}-positions", self.pipeline), "timeout": "2s" });
        let mut sink = exact(&self.pipeline, options(broker, &self.topic, own)).await;
        let shard = Shard { pipeline: self.pipeline.as_str().into(), sink: "broker".into(), epoch: 0 };
        let opened = sink.open(&shard).await?;
        Ok((sink, opened))
    }
}

fn position(opened: &Opened) -> usize {
    opened.positions.first().map_or(0, |position| usize::try_from(position.safe_seq).unwrap())
}

/// Commits window after window, as the engine would: the same one until it is certain.
async fn own(stage: Stage, broker: String, mut dice: Dice, (end, tally): (Arc<AtomicBool>, Arc<Tally>)) {
    while !end.load(Ordering::SeqCst) {
        let Ok((mut sink, opened)) = stage.open(&broker).await else { continue };
        tally.opened.fetch_add(1, Ordering::SeqCst);
        let mut number = position(&opened);
        // Then it is gone without a word.
        for _ in 0..20 + dice.below(60) {
            let positions = [Position {
                source: "feed".into(),
                partition: "a".into(),
                epoch: opened.epoch,
                safe_seq: number as u64 + 1,
                safe_cursor: Some(Bytes::from(number.to_string())),
                ahead: Vec::new(),
            }];
            let events = events(number * WINDOW..(number + 1) * WINDOW);
            let window = Window { events: &events, dead_letters: &[], positions: &positions };
            let patience =
                if dice.below(5) == 0 { Duration::from_millis(dice.below(20)) } else { Duration::MAX };
            match tokio::time::timeout(patience, sink.commit(&window)).await {
                Ok(Ok(Committed::All)) => {
                    number += 1;
                    tally.windows.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Ok(Committed::Nothing(rejected))) => panic!("{rejected:?}"),
                Ok(Err(error)) if error.class() == ErrorClass::Fenced => {
                    tally.fenced.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Ok(Err(error)) => {
                    assert!(error.class().is_retryable(), "{}", error.chain());
                    tally.failed.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => drop(tally.given_up.fetch_add(1, Ordering::SeqCst)),
            }
            if dice.below(4) == 0 {
                tokio::time::sleep(Duration::from_millis(dice.below(150))).await;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    opened: AtomicUsize,
    windows: AtomicUsize,
    fenced: AtomicUsize,
    failed: AtomicUsize,
    given_up: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_fight_leave_one_history() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage { pipeline: unique("crowd"), topic: topic(&kafka, "crowd", 2).await };
    let proxies: Vec<_> = (0..OWNERS).map(|_| FaultProxy::before_kafka(&kafka, 0)).collect();
    let (end, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
    let owners: Vec<_> = proxies
        .iter()
        .zip(1..)
        .map(|(proxy, seed)| {
            let dice = Dice(seed * 0x9E37_79B9);
            let around = (Arc::clone(&end), Arc::clone(&tally));
            tokio::spawn(own(stage.clone(), proxy.address().to_string(), dice, around))
        })
        .collect();
    let rounds = std::env::var("SLUICEBOX_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let mut dice = Dice(11);
    for round in 0..rounds {
        let proxy = &proxies[usize::try_from(dice.below(OWNERS)).unwrap()];
        let direction = if dice.below(2) == 0 { Direction::Requests } else { Direction::Replies };
        if round % 5 == 4 {
            // Longer than anyone waits: the end of a transaction stays unknown.
            proxy.freeze_only(direction);
            tokio::time::sleep(Duration::from_secs(3)).await;
            proxy.thaw();
        } else {
            proxy.cut_at_message(direction, dice.below(7));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        proxy.heal();
    }
    end.store(true, Ordering::SeqCst);
    for owner in owners {
        owner.await.unwrap();
    }
    let (_, opened) = stage.open(&kafka.bootstrap()).await.unwrap();
    let visible = numbers(&committed(&kafka.bootstrap(), &stage.topic).await);
    let windows = position(&opened);
    println!("{windows} windows in the end; {tally:?}");
    assert!(visible.iter().copied().eq(0..windows * WINDOW), "{} records, {windows} windows", visible.len());
    assert!(
        tally.fenced.load(Ordering::SeqCst) > 0 && tally.given_up.load(Ordering::SeqCst) > 0,
        "{tally:?}"
    );
}

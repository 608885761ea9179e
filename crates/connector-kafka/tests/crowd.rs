//! Several owners of the same positions at once, each behind a line that breaks: they take over from each other in the
//! middle of everything, give up commits half-way and come back. What is visible is one history all the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a failed set-up should panic")]

mod support;

use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Opened, Shard, TransactionalSink};
use sluicebox_services::Kafka;
use sluicebox_testkit::{Crowd, Dice, Direction, FaultProxy, windows};
use support::{committed, events, exact, numbers, options, topic, unique};

const OWNERS: u64 = 3;

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

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_fight_leave_one_history() {
    let Some(kafka) = Kafka::shared() else { return };
    let stage = Stage { pipeline: unique("crowd"), topic: topic(&kafka, "crowd", 2).await };
    let proxies: Vec<_> = (0..OWNERS).map(|_| FaultProxy::before_kafka(&kafka, 0)).collect();
    let mut crowd = Crowd::new(Duration::from_millis(20), Duration::from_millis(150));
    for proxy in &proxies {
        let (stage, broker) = (stage.clone(), proxy.address().to_string());
        crowd.join(events, move || {
            let (stage, broker) = (stage.clone(), broker.clone());
            async move { stage.open(&broker).await }
        });
    }
    let rounds = std::env::var("SLUICEBOX_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let mut dice = Dice::new(11);
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
    let fight = crowd.disperse().await;
    let (_, opened) = stage.open(&kafka.bootstrap()).await.unwrap();
    let visible = numbers(&committed(&kafka.bootstrap(), &stage.topic).await);
    let windows = windows(&opened);
    println!("{windows} windows in the end; {fight}");
    assert!(
        visible.iter().copied().eq(0..windows * Crowd::WINDOW),
        "{} records, {windows} windows",
        visible.len()
    );
}

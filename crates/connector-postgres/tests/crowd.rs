//! Several owners of the same positions at once, each behind a line that breaks: they take over from each other in the
//! middle of everything, give up commits half-way and come back. What is in the table is one history all the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a failed set-up should panic")]

mod support;

use std::time::Duration;

use serde_json::json;
use sluicebox_testkit::{Crowd, Dice, Direction, FaultProxy, framing, shard, windows};
use support::{Room, events, transactional};

const OWNERS: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_fight_leave_one_history() {
    let Some(room) = Room::shared() else { return };
    let proxies: Vec<_> =
        (0..OWNERS).map(|_| FaultProxy::framed(room.server.address(), framing::postgres)).collect();
    let mut crowd = Crowd::new(Duration::from_millis(5), Duration::from_millis(50));
    for proxy in &proxies {
        let options = room.options_at(&room.server.url_at(proxy.address()), json!({}));
        crowd.join(events, move || {
            let options = options.clone();
            async {
                let mut sink = transactional(options).await;
                let opened = sink.open(&shard(1)).await?;
                Ok((sink, opened))
            }
        });
    }
    let rounds = std::env::var("SLUICEBOX_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let mut dice = Dice::new(11);
    for _ in 0..rounds {
        let proxy = &proxies[usize::try_from(dice.below(OWNERS)).unwrap()];
        let direction = if dice.below(2) == 0 { Direction::Requests } else { Direction::Replies };
        proxy.cut_at_message(direction, dice.below(20));
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.heal();
    }
    let fight = crowd.disperse().await;
    let (_, opened) = room.opened(json!({})).await;
    let windows = windows(&opened);
    println!("{windows} windows in the end; {fight}");
    let rows = windows * Crowd::WINDOW;
    let found = room.psql("SELECT count(*), count(DISTINCT _event_id), max((event->>'n')::int) FROM events");
    assert_eq!(found, format!("{rows}|{rows}|{}", rows - 1));
}

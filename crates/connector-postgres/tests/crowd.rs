//! Several owners of the same positions at once, each behind a line that breaks: they take over from each other in the
//! middle of everything, give up commits half-way and come back. What is in the table is one history all the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a failed set-up should panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Committed, ErrorClass, Opened, Position, Window};
use sluicebox_testkit::{Direction, FaultProxy, framing};
use support::{Room, events, position, shard, transactional};

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

#[derive(Debug, Default)]
struct Tally {
    opened: AtomicUsize,
    windows: AtomicUsize,
    fenced: AtomicUsize,
    failed: AtomicUsize,
    given_up: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

fn reached(opened: &Opened) -> usize {
    opened.positions.first().map_or(0, |position| usize::try_from(position.safe_seq).unwrap())
}

/// Commits window after window, as the engine would: the same one until it is certain.
async fn own(options: Value, mut dice: Dice, (end, tally): (Arc<AtomicBool>, Arc<Tally>)) {
    while !end.load(Ordering::SeqCst) {
        let mut sink = transactional(options.clone()).await;
        let Ok(opened) = sink.open(&shard(1)).await else { continue };
        count(&tally.opened);
        let mut number = reached(&opened);
        // Then it is gone without a word.
        for _ in 0..20 + dice.below(60) {
            let positions = [Position { epoch: opened.epoch, ..position(number as u64 + 1, &[]) }];
            let events = events(number * WINDOW..(number + 1) * WINDOW);
            let window = Window { events: &events, dead_letters: &[], positions: &positions };
            let patience =
                if dice.below(5) == 0 { Duration::from_micros(dice.below(5000)) } else { Duration::MAX };
            match tokio::time::timeout(patience, sink.commit(&window)).await {
                Ok(Ok(Committed::All)) => {
                    number += 1;
                    count(&tally.windows);
                }
                Ok(Ok(Committed::Nothing(rejected))) => panic!("{rejected:?}"),
                Ok(Err(error)) if error.class() == ErrorClass::Fenced => {
                    count(&tally.fenced);
                    break;
                }
                Ok(Err(error)) => {
                    assert!(error.class().is_retryable(), "{}", error.chain());
                    count(&tally.failed);
                }
                Err(_) => count(&tally.given_up),
            }
            if dice.below(4) == 0 {
                tokio::time::sleep(Duration::from_millis(dice.below(50))).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_fight_leave_one_history() {
    let Some(room) = Room::shared() else { return };
    let proxies: Vec<_> =
        (0..OWNERS).map(|_| FaultProxy::framed(room.server.address(), framing::postgres)).collect();
    let (end, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
    let owners: Vec<_> = proxies
        .iter()
        .zip(1..)
        .map(|(proxy, seed)| {
            let options = room.options_at(&room.server.url_at(proxy.address()), json!({}));
            let around = (Arc::clone(&end), Arc::clone(&tally));
            tokio::spawn(own(options, Dice(seed * 0x9E37_79B9), around))
        })
        .collect();
    let rounds = std::env::var("SLUICEBOX_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let mut dice = Dice(11);
    for _ in 0..rounds {
        let proxy = &proxies[usize::try_from(dice.below(OWNERS)).unwrap()];
        let direction = if dice.below(2) == 0 { Direction::Requests } else { Direction::Replies };
        proxy.cut_at_message(direction, dice.below(20));
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.heal();
    }
    end.store(true, Ordering::SeqCst);
    for owner in owners {
        owner.await.unwrap();
    }
    let (_, opened) = room.opened(json!({})).await;
    let windows = reached(&opened);
    println!("{windows} windows in the end; {tally:?}");
    let rows = windows * WINDOW;
    let found = room.psql("SELECT count(*), count(DISTINCT _event_id), max((event->>'n')::int) FROM events");
    assert_eq!(found, format!("{rows}|{rows}|{}", rows - 1));
    assert!(
        tally.fenced.load(Ordering::SeqCst) > 0 && tally.given_up.load(Ordering::SeqCst) > 0,
        "{tally:?}"
    );
}

//! Several owners of the same positions at once: they take over from each other in the middle of everything, give up
//! commits half-way and come back. What is visible in the end has to be one history all the same.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sluicebox_core::{Committed, ErrorClass, Event, Opened, Position, Result, TransactionalSink, Window};
use tokio::task::JoinHandle;

use crate::position;

/// Events with these numbers, the same whenever they are asked for.
pub type Events = fn(Range<usize>) -> Vec<Event>;

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    /// Other numbers for every other seed, which is not zero.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Owners that fight for the positions of one sink.
pub struct Crowd {
    patience: Duration,
    rest: Duration,
    fight: Arc<Fight>,
    owners: Vec<JoinHandle<()>>,
}

/// How it goes, for all owners together.
#[derive(Debug, Default)]
struct Fight {
    is_over: AtomicBool,
    opened: AtomicUsize,
    windows: AtomicUsize,
    fenced: AtomicUsize,
    failed: AtomicUsize,
    given_up: AtomicUsize,
}

impl Crowd {
    /// Events in a window.
    pub const WINDOW: usize = 7;

    /// Nobody yet. One commit in five is given up after at most `patience`; after one in four there is a `rest`.
    pub fn new(patience: Duration, rest: Duration) -> Self {
        Self { patience, rest, fight: Arc::default(), owners: Vec::new() }
    }

    /// One owner more, who opens the sink again whenever it has lost it.
    pub fn join<Open, Opening>(&mut self, events: Events, open: Open)
    where
        Open: Fn() -> Opening + Send + Sync + 'static,
        Opening: Future<Output = Result<(Box<dyn TransactionalSink>, Opened)>> + Send,
    {
        let seed = self.owners.len() as u64 + 1;
        let mut owner = Owner {
            dice: Dice::new(seed * 0x9E37_79B9),
            bounds: (self.patience, self.rest),
            fight: Arc::clone(&self.fight),
            events,
        };
        self.owners.push(tokio::spawn(async move {
            while !owner.fight.is_over.load(Ordering::SeqCst) {
                let Ok((sink, opened)) = open().await else { continue };
                owner.own(sink, &opened).await;
            }
        }));
    }

    /// Ends the fight and says how it went.
    ///
    /// # Panics
    /// If an owner panicked, and if nobody was fenced or nobody gave up: then this was no fight.
    pub async fn disperse(self) -> String {
        self.fight.is_over.store(true, Ordering::SeqCst);
        for owner in self.owners {
            owner.await.expect("an owner goes on until the end");
        }
        let fight = self.fight;
        let was_one = [&fight.fenced, &fight.given_up].map(|count| count.load(Ordering::SeqCst) > 0);
        assert_eq!(was_one, [true, true], "{fight:?}");
        format!("{fight:?}")
    }
}

/// How many windows are committed.
pub fn windows(opened: &Opened) -> usize {
    opened.positions.first().map_or(0, |position| usize::try_from(position.safe_seq).unwrap_or(usize::MAX))
}

struct Owner {
    dice: Dice,
    bounds: (Duration, Duration),
    fight: Arc<Fight>,
    events: Events,
}

impl Owner {
    /// Commits window after window, as the engine would: the same one until it is certain. Then it is gone without a
    /// word.
    async fn own(&mut self, mut sink: Box<dyn TransactionalSink>, opened: &Opened) {
        count(&self.fight.opened);
        let mut number = windows(opened);
        for _ in 0..20 + self.dice.below(60) {
            let positions = [Position { epoch: opened.epoch, ..position(number as u64 + 1, &[]) }];
            let events = (self.events)(number * Crowd::WINDOW..(number + 1) * Crowd::WINDOW);
            let window = Window { events: &events, dead_letters: &[], positions: &positions };
            let patience = if self.dice.below(5) == 0 { self.some_of(self.bounds.0) } else { Duration::MAX };
            match tokio::time::timeout(patience, sink.commit(&window)).await {
                Ok(Ok(Committed::All)) => {
                    number += 1;
                    count(&self.fight.windows);
                }
                Ok(Ok(Committed::Nothing(rejected))) => panic!("{rejected:?}"),
                Ok(Err(error)) if error.class() == ErrorClass::Fenced => {
                    count(&self.fight.fenced);
                    break;
                }
                Ok(Err(error)) => {
                    assert!(error.class().is_retryable(), "{}", error.chain());
                    count(&self.fight.failed);
                }
                Err(_) => count(&self.fight.given_up),
            }
            if self.dice.below(4) == 0 {
                tokio::time::sleep(self.some_of(self.bounds.1)).await;
            }
        }
    }

    fn some_of(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.dice.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

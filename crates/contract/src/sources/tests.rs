//! The suite passes a source that keeps the contract, and catches one for each way to break it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{Batch, Committer, Error, Event, Meta, Pace, Result};

use super::*;

/// How a source goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Forgets the page that it was waiting for.
    LosesAPollThatIsGivenUp,
    /// Ids from a counter of its own.
    CountsItsIds,
    /// Its cursor names the last event as one still to come.
    RepeatsOne,
    /// `open` only works once.
    OpensOnce,
    /// Takes any text for the beginning.
    TakesAnyCursor,
    /// Calls everything permanent.
    Misjudges,
    /// Moves on although the poll failed.
    MovesOnErrors,
    /// Confirms what it read by itself.
    ConfirmsBySelf,
    /// Never says that it has everything.
    HasNoEnd,
}

/// A feed of the numbers below ten, three a page.
struct Numbers {
    flaw: Flaw,
    is_broken: Arc<AtomicBool>,
    built: Arc<AtomicUsize>,
    told: Arc<parking::Told>,
}

mod parking {
    //! A list that source and test share.
    use std::sync::Mutex;

    use sluicebox_core::Cursor;

    #[derive(Default)]
    pub(super) struct Told(Mutex<Vec<Cursor>>);

    impl Told {
        pub(super) fn push(&self, cursor: Cursor) {
            self.0.lock().unwrap().push(cursor);
        }

        pub(super) fn all(&self) -> Vec<Cursor> {
            self.0.lock().unwrap().clone()
        }
    }
}

struct Reader {
    flaw: Flaw,
    is_broken: Arc<AtomicBool>,
    told: Arc<parking::Told>,
    at: usize,
    opened: usize,
    counter: usize,
    /// Numbers of the page under way, for the flaw that drops them.
    under_way: VecDeque<usize>,
}

const COUNT: usize = 10;

#[async_trait]
impl Upstream for Numbers {
    async fn source(&mut self) -> Box<dyn Source> {
        let built = self.built.fetch_add(1, Ordering::SeqCst);
        Box::new(Reader {
            flaw: self.flaw,
            is_broken: Arc::clone(&self.is_broken),
            told: Arc::clone(&self.told),
            at: 0,
            opened: 0,
            counter: built * 1000,
            under_way: VecDeque::new(),
        })
    }

    fn faults(&self) -> Vec<Fault> {
        vec![Fault::new("down", ErrorClass::Transient)]
    }

    async fn strike(&mut self, fault: Option<&Fault>) {
        self.is_broken.store(fault.is_some(), Ordering::SeqCst);
    }

    fn told(&mut self) -> Vec<Cursor> {
        self.told.all()
    }
}

impl Reader {
    fn event(&mut self, number: usize) -> Event {
        self.counter += 1;
        let id = if self.flaw == Flaw::CountsItsIds { self.counter } else { number };
        Event::parse(&Bytes::from_static(b"{}"), Meta::new("numbers", "a", format!("n:{id}"))).unwrap()
    }
}

struct Teller(Arc<parking::Told>);

#[async_trait]
impl Committer for Teller {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        self.0.push(cursor.clone());
        Ok(())
    }
}

#[async_trait]
impl Source for Reader {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.opened += 1;
        if self.flaw == Flaw::OpensOnce && self.opened > 1 {
            return Ok(());
        }
        self.under_way.clear();
        let at = saved.map_or(Some(0), |cursor| cursor.as_str()?.parse().ok());
        self.at = match at {
            None if self.flaw == Flaw::TakesAnyCursor => 0,
            at => at.ok_or_else(|| Error::config("no number"))?,
        };
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        if self.is_broken.load(Ordering::SeqCst) {
            if self.flaw == Flaw::MovesOnErrors {
                self.at += 1;
            }
            let class =
                if self.flaw == Flaw::Misjudges { ErrorClass::Permanent } else { ErrorClass::Transient };
            return Err(Error::new(class, "down"));
        }
        let last = (self.at + 3).min(COUNT);
        let from = self.at;
        if self.flaw == Flaw::LosesAPollThatIsGivenUp {
            self.at = last;
        }
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        self.at = last;
        if self.flaw == Flaw::ConfirmsBySelf {
            self.told.push(Cursor::from(last.to_string()));
        }
        let named = if self.flaw == Flaw::RepeatsOne { last.saturating_sub(1) } else { last };
        let mut batch = Batch::empty(Some(Cursor::from(named.to_string())));
        batch.events = (from..last).map(|number| self.event(number)).collect();
        batch.pace = Pace::After(Duration::from_secs(60));
        batch.caught_up = last == COUNT && self.flaw != Flaw::HasNoEnd;
        Ok(Some(batch))
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(Teller(Arc::clone(&self.told))))
    }
}

async fn prove(flaw: Flaw) -> Tally {
    let (is_broken, built, told) = (Arc::default(), Arc::default(), Arc::default());
    source(&mut Numbers { flaw, is_broken, built, told }).await
}

#[tokio::test(start_paused = true)]
async fn a_source_that_keeps_the_contract_passes() {
    let tally = prove(Flaw::None).await;
    assert_eq!((tally.events, tally.pages, tally.restarts, tally.faults), (10, 4, 8, 1));
    assert_eq!(tally.interruptions, 8, "each of four pages at both of its steps");
}

/// One test for each flaw, with the law that it breaks.
macro_rules! caught {
    ($($name:ident: $flaw:ident, $law:literal;)+) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $law)]
        async fn $name() {
            prove(Flaw::$flaw).await;
        }
    )+};
}

caught! {
    a_poll_that_loses_its_page_is_caught: LosesAPollThatIsGivenUp, "given up after 1 steps";
    ids_that_are_counted_are_caught: CountsItsIds, "read twice";
    a_cursor_that_repeats_is_caught: RepeatsOne, "opened at a saved cursor: 1 events";
    an_instance_that_cannot_be_opened_again_is_caught: OpensOnce, "opened again where it stood before";
    a_cursor_of_someone_else_that_is_taken_is_caught: TakesAnyCursor, "refused by `open`";
    a_wrong_class_is_caught: Misjudges, "`down` is classified";
    a_cursor_that_moves_on_an_error_is_caught: MovesOnErrors, "`down` is over";
    a_source_that_confirms_by_itself_is_caught: ConfirmsBySelf, "polling tells the upstream nothing";
    a_source_without_an_end_is_caught: HasNoEnd, "neither ended nor said";
}

//! The contract of sources: whatever is given up, repeated or broken on the way, the same events come with the same ids
//! in the same order, and what was saved is enough to go on.
//!
//! Invariant: a law is judged by the ids of events alone, as the engine judges; their content may differ between two polls.

mod reading;

use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Cursor, ErrorClass, Source};

use crate::Tally;
use reading::{Reading, page, rest};

/// Most cursors that are started from.
const MOST_RESTARTS: usize = 24;
/// Most steps of one poll that are tried as the moment at which it is given up.
const MOST_STEPS: usize = 12;

/// What a source reads, in a state that does not change by itself: two pages of events at least, or fewer laws can break.
#[async_trait]
pub trait Upstream: Send {
    /// Builds the source, as the start of a process does.
    async fn source(&mut self) -> Box<dyn Source>;

    /// Most events of before a cursor that come again after it. 0 for feeds that go on exactly; more where the upstream
    /// can only be asked inclusively (`updated_at >= x`). The engine discards them by their ids.
    fn overlap(&self) -> usize {
        0
    }

    /// A cursor that cannot be one of this source's: it must refuse to stand there. `None` where only the server can tell.
    fn foreign_cursor(&self) -> Option<Cursor> {
        Some(Cursor::new(&b"\xff\x00no cursor of yours"[..]))
    }

    /// What can go wrong upstream, each with the class that the source must give it.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// Lets every poll from now on meet a fault of [`Upstream::faults`]; `None`: heals.
    async fn strike(&mut self, _fault: Option<&Fault>) {}

    /// The cursors that the upstream was told of by the source's committer, if it has one; the newest last.
    fn told(&mut self) -> Vec<Cursor> {
        Vec::new()
    }
}

/// Something that goes wrong upstream.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What, in a word: `500`, `refused`, `cut`.
    pub name: &'static str,
    /// What the source makes of it.
    pub class: ErrorClass,
    /// How long the other side asks us to wait, if it does.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault that asks for no particular wait.
    pub fn new(name: &'static str, class: ErrorClass) -> Self {
        Self { name, class, retry_after: None }
    }
}

/// Proves that a source keeps its contract.
///
/// 1. Read twice from the start, it gives the same ids in the same order: no id is made of chance, of the time, or of the
///    number of a poll.
/// 2. Opened at the cursor of any page, it goes on with the event after that page; so does the same instance when it is
///    opened again.
/// 3. A poll that is given up at any of its steps loses nothing and repeats nothing.
/// 4. A fault is given its class, moves no cursor, and is over when it is over.
/// 5. A cursor of someone else is refused with `Config` or `State`, and spoils nothing.
/// 6. The upstream is told of a position by the committer alone, and may be told twice, and after the source is gone.
///
/// # Panics
/// If it breaks one.
pub async fn source(upstream: &mut dyn Upstream) -> Tally {
    let truth = first_reading(upstream).await;
    let mut tally = Tally { events: truth.ids().len(), pages: truth.pages.len(), ..Tally::default() };
    same_again(upstream, &truth).await;
    tally.restarts = goes_on(upstream, &truth).await;
    tally.interruptions = given_up(upstream, &truth).await;
    tally.faults = broken(upstream, &truth).await;
    refuses(upstream, &truth).await;
    confirms(upstream, &truth).await;
    tally
}

/// The source, standing at a cursor.
async fn opened(upstream: &mut dyn Upstream, cursor: Option<&Cursor>) -> Box<dyn Source> {
    let mut source = upstream.source().await;
    let opened = source.open(cursor).await;
    opened.unwrap_or_else(|error| panic!("open: refuses {cursor:?}: {}", error.chain()));
    source
}

async fn first_reading(upstream: &mut dyn Upstream) -> Reading {
    let mut source = opened(upstream, None).await;
    let truth = rest(&mut *source, 0).await;
    assert!(!truth.ids().is_empty(), "the upstream of a contract holds events, and none came");
    truth.assert_sound(upstream.overlap());
    truth
}

async fn same_again(upstream: &mut dyn Upstream, truth: &Reading) {
    let again = rest(&mut *opened(upstream, None).await, 0).await;
    assert_eq!(again.ids(), truth.ids(), "read twice: the same ids in the same order");
}

/// The numbers of the pages that are started after, spread over all of them.
fn chosen(pages: usize) -> impl Iterator<Item = usize> {
    let step = pages.div_ceil(MOST_RESTARTS).max(1);
    (0..pages).filter(move |number| number % step == 0 || number + 1 == pages)
}

async fn goes_on(upstream: &mut dyn Upstream, truth: &Reading) -> usize {
    let mut restarts = 0;
    for number in chosen(truth.pages.len()) {
        let Some(cursor) = truth.pages[number].cursor.clone() else { continue };
        let mut source = opened(upstream, Some(&cursor)).await;
        let after = rest(&mut *source, 0).await;
        truth.assert_goes_on(number, &after, upstream.overlap(), "opened at a saved cursor");
        let again = source.open(Some(&cursor)).await;
        again.unwrap_or_else(|error| panic!("opened again: refuses {cursor:?}: {}", error.chain()));
        let after = rest(&mut *source, 0).await;
        truth.assert_goes_on(number, &after, upstream.overlap(), "opened again where it stood before");
        restarts += 2;
    }
    restarts
}

async fn given_up(upstream: &mut dyn Upstream, truth: &Reading) -> usize {
    let mut interruptions = 0;
    for steps in 1..=MOST_STEPS {
        let reading = rest(&mut *opened(upstream, None).await, steps).await;
        let law = format!("polls given up after {steps} steps lose nothing and repeat nothing");
        assert_eq!(reading.ids(), truth.ids(), "{law}");
        if reading.interruptions == 0 {
            break;
        }
        interruptions += reading.interruptions;
    }
    interruptions
}

async fn broken(upstream: &mut dyn Upstream, truth: &Reading) -> usize {
    let faults = upstream.faults();
    for fault in &faults {
        let mut source = opened(upstream, None).await;
        let first = page(&mut *source).await.unwrap_or_else(|| panic!("`{}`: the first page", fault.name));
        upstream.strike(Some(fault)).await;
        for _ in 0..2 {
            match source.next().await {
                Ok(_) => panic!("`{}`: a poll that failed gives no page", fault.name),
                Err(error) => {
                    let found = (error.class(), error.retry_after());
                    let law = format!("`{}` is classified: {}", fault.name, error.chain());
                    assert_eq!(found, (fault.class, fault.retry_after), "{law}");
                }
            }
        }
        upstream.strike(None).await;
        // What waiting cannot mend pauses the source: a person mends it, and starts the process again.
        if !fault.class.is_retryable() {
            source = opened(upstream, first.cursor.as_ref()).await;
        }
        let after = rest(&mut *source, 0).await;
        truth.assert_goes_on(0, &after, upstream.overlap(), &format!("`{}` is over", fault.name));
    }
    faults.len()
}

async fn refuses(upstream: &mut dyn Upstream, truth: &Reading) {
    let Some(foreign) = upstream.foreign_cursor() else { return };
    let mut source = upstream.source().await;
    match source.open(Some(&foreign)).await {
        Ok(()) => panic!("a cursor of someone else is refused by `open`, not taken for a place to begin"),
        Err(error) => {
            let right = matches!(error.class(), ErrorClass::Config | ErrorClass::State);
            assert!(right, "a cursor of someone else is `config` or `state`, not {:?}", error.class());
        }
    }
    let opened = source.open(None).await;
    opened.unwrap_or_else(|error| panic!("after a refused cursor: {}", error.chain()));
    let after = rest(&mut *source, 0).await;
    assert_eq!(after.ids(), truth.ids(), "a refused cursor spoils nothing");
}

async fn confirms(upstream: &mut dyn Upstream, truth: &Reading) {
    let mut source = opened(upstream, None).await;
    let Some(mut committer) = source.committer() else { return };
    let before = upstream.told().len();
    rest(&mut *source, 0).await;
    assert_eq!(upstream.told().len(), before, "polling tells the upstream nothing: only the committer does");
    drop(source);
    for cursor in truth.pages.iter().filter_map(|page| page.cursor.as_ref()) {
        for _ in 0..2 {
            let told = committer.commit(cursor).await;
            told.unwrap_or_else(|error| panic!("the committer refuses {cursor:?}: {}", error.chain()));
        }
        assert_eq!(upstream.told().last(), Some(cursor), "the upstream is told of what is durable");
    }
}

#[cfg(test)]
mod tests;

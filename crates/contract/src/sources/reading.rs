//! Reads a source to its end, and holds what came against what came before.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use sluicebox_core::{Batch, Cursor, Event, Pace, Source};

/// Most pages of an upstream; a source that is not at its end by then never says so.
const MOST_PAGES: usize = 10_000;

/// What one page brought.
pub(super) struct Page {
    /// Of events and of items that were none, in the order of the feed.
    ids: Vec<String>,
    pub(super) cursor: Option<Cursor>,
}

/// Everything that came, to the end.
pub(super) struct Reading {
    pub(super) pages: Vec<Page>,
    /// Polls that were given up before they were made again.
    pub(super) interruptions: usize,
}

impl Reading {
    pub(super) fn ids(&self) -> Vec<&str> {
        self.pages.iter().flat_map(|page| &page.ids).map(String::as_str).collect()
    }

    /// Without those that came before, as the engine discards them.
    fn new_ids<'r>(&'r self, known: &HashSet<&str>) -> (Vec<&'r str>, usize) {
        let ids = self.ids();
        let all = ids.len();
        let new: Vec<&str> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        let known = all - new.len();
        (new, known)
    }

    /// What holds for any reading from the start.
    pub(super) fn assert_sound(&self, overlap: usize) {
        for page in self.pages.iter().filter(|page| !page.ids.is_empty()) {
            assert!(page.cursor.is_some(), "a page with events has a cursor after them");
        }
        let ids = self.ids();
        let mut known = HashSet::new();
        let twice = ids.iter().find(|id| !known.insert(**id));
        assert!(overlap > 0 || twice.is_none(), "an id names one event: {} came twice", twice.unwrap_or(&""));
    }

    /// What comes after a page, when it is read from its cursor.
    pub(super) fn assert_goes_on(&self, page: usize, after: &Self, overlap: usize, law: &str) {
        let before: HashSet<&str> =
            self.pages[..=page].iter().flat_map(|page| &page.ids).map(String::as_str).collect();
        let expected: Vec<&str> =
            self.pages[page + 1..].iter().flat_map(|page| &page.ids).map(String::as_str).collect();
        let expected: Vec<&str> = expected.into_iter().filter(|id| !before.contains(id)).collect();
        let (new, repeated) = after.new_ids(&before);
        assert_eq!(new, expected, "{law}: what comes after page {page}");
        assert!(repeated <= overlap, "{law}: {repeated} events of before page {page} come again");
    }
}

/// Reads to the end, or until the source has everything. With `steps`, every poll is first given up after so many.
pub(super) async fn rest(source: &mut dyn Source, steps: usize) -> Reading {
    let mut reading = Reading { pages: Vec::new(), interruptions: 0 };
    for _ in 0..MOST_PAGES {
        let first = if steps == 0 { None } else { within(steps, source.next()).await };
        reading.interruptions += usize::from(steps > 0 && first.is_none());
        let polled = match first {
            Some(polled) => polled,
            None => source.next().await,
        };
        let polled = polled.unwrap_or_else(|error| panic!("next: nothing is broken, yet: {}", error.chain()));
        let Some(batch) = polled else { return reading };
        let (pace, is_whole) = (batch.pace, batch.caught_up);
        reading.pages.push(taken(batch));
        if is_whole {
            return reading;
        }
        if let Pace::After(wait) = pace {
            tokio::time::sleep(wait).await;
        }
    }
    panic!(
        "after {MOST_PAGES} pages the source has neither ended nor said `caught_up`: `run --once` would not end"
    )
}

/// One page; none at the end.
pub(super) async fn page(source: &mut dyn Source) -> Option<Page> {
    let polled = source.next().await;
    let polled = polled.unwrap_or_else(|error| panic!("next: nothing is broken, yet: {}", error.chain()));
    polled.map(taken)
}

/// Looks at everything that a page holds.
fn taken(batch: Batch) -> Page {
    let announced = batch.len();
    let batch = batch.read();
    assert!(
        batch.len() <= announced,
        "a page of {announced} items became {}: each is counted once",
        batch.len()
    );
    for event in &batch.events {
        let (meta, json) = (event.meta(), event.json());
        let parsed = Event::parse(&json, meta.clone());
        assert!(parsed.is_ok(), "{}: an event is a JSON object, not {json:?}", meta.id);
        assert!(!meta.id.is_empty(), "an event has an id: {json:?}");
        assert!(
            !meta.source.is_empty() && !meta.account.is_empty(),
            "{}: source and account are named",
            meta.id
        );
    }
    let rejected = batch.rejects.iter().map(|reject| &reject.event);
    let ids = batch.events.iter().chain(rejected).map(|event| event.meta().id.to_string()).collect();
    Page { ids, cursor: batch.cursor }
}

/// What a future says within so many polls; it is dropped after the last.
async fn within<F: Future>(mut polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(said) => Poll::Ready(Some(said)),
        Poll::Pending => {
            polls -= 1;
            if polls == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

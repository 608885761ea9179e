//! Transforms that remember, driven as the engine drives them: page by page, with runs that end anywhere.
//!
//! Invariant: a restart restores exactly what was saved with the last safe page, and every page after it comes again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sluicebox_core::{Event, Memory, Meta, Outputs, Remembered, Timestamp, Transform, TransformOutcome};
use smol_str::SmolStr;

/// An event of so many seconds, with an id that no other has.
pub(crate) fn at(seconds: i64, json: &str) -> Event {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("feed:{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let time = Timestamp::from_millis(seconds * 1000);
    let meta = Meta { event_type: "t".into(), time, ..Meta::new("feed", "feed", id) };
    Event::parse(&Bytes::copy_from_slice(json.as_bytes()), meta).unwrap()
}

/// What becomes of a batch in a transform that remembers.
pub(crate) fn remember(
    transform: &dyn Transform,
    memory: &mut Memory,
    batch: Vec<Event>,
) -> Vec<(usize, TransformOutcome)> {
    let mut out = Outputs::new();
    transform.stateful().unwrap().apply(batch, memory, &mut out).unwrap();
    out.into_outcomes()
}

/// What goes on of a feed, each output with the place of the event in the feed that made it.
type Passed = Vec<(usize, String)>;

/// Cuts a feed into pages and ends runs, at random but the same for the same seed.
pub(crate) struct Pages(u64);

impl Pages {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// What goes on if the feed is one page.
    #[allow(clippy::unused_self, reason = "reads like its twin")]
    pub(crate) fn in_one(&self, transform: &dyn Transform, events: &[Event]) -> Passed {
        let mut memory = Memory::new(transform.stateful().unwrap().max_entries());
        told(0, remember(transform, &mut memory, events.to_vec()))
    }

    /// What goes on if the feed comes in pages of any size, some of them are saved, and runs end in between.
    ///
    /// # Panics
    /// If a page that comes again makes other outputs than the first time.
    pub(crate) fn with_restarts(&mut self, transform: &dyn Transform, events: &[Event]) -> Passed {
        let most = transform.stateful().unwrap().max_entries();
        let mut memory = Memory::new(most);
        let (mut saved, mut unsaved) = (BTreeMap::<SmolStr, Remembered>::new(), Vec::new());
        let (mut saved_at, mut place) = (0, 0);
        let mut passed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        while place < events.len() {
            let end = events.len().min(place + 1 + usize::try_from(self.below(9)).unwrap());
            let mut page: BTreeMap<usize, Vec<String>> = BTreeMap::new();
            for (index, text) in told(place, remember(transform, &mut memory, events[place..end].to_vec())) {
                page.entry(index).or_default().push(text);
            }
            for (index, texts) in page {
                let before = passed.entry(index).or_insert_with(|| texts.clone());
                assert_eq!(*before, texts, "event {index} came again and made something else");
            }
            unsaved.extend(memory.take_changes());
            place = end;
            match self.below(8) {
                0 => {
                    unsaved.clear();
                    memory = Memory::restored(most, saved.clone());
                    place = saved_at;
                }
                1..=3 => {
                    for change in unsaved.drain(..) {
                        match change.after {
                            Some(entry) => drop(saved.insert(change.key, entry)),
                            None => drop(saved.remove(&change.key)),
                        }
                    }
                    saved_at = place;
                }
                _ => {}
            }
        }
        passed
            .into_iter()
            .flat_map(|(index, texts)| texts.into_iter().map(move |text| (index, text)))
            .collect()
    }
}

fn told(first: usize, outcomes: Vec<(usize, TransformOutcome)>) -> Passed {
    let emitted = outcomes.into_iter().filter_map(|(index, outcome)| match outcome {
        TransformOutcome::Emit(output, event) => {
            let json = String::from_utf8(event.json().to_vec()).unwrap();
            Some((first + index, format!("{} {} {json}", output.unwrap_or_default(), event.meta().id)))
        }
        _ => None,
    });
    emitted.collect()
}

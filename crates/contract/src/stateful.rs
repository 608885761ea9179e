//! The contract of transforms that remember: they are functions of their memory and their events, of nothing else.
//!
//! Invariant: the memory is handled as the engine does it: changes are saved page by page, and taken back when a page
//! comes again.

use std::collections::BTreeMap;

use sluicebox_core::{Event, Memory, Outputs, Remembered, StatefulTransform, Transform};
use smol_str::SmolStr;

use crate::Tally;
use crate::transforms::{Became, assert_sound, became};

/// Entries as they are saved.
type Saved = BTreeMap<SmolStr, Remembered>;

/// The first page is all events but one; see [`crate::transform`].
pub(crate) async fn prove(build: &impl AsyncFn() -> Box<dyn Transform>, events: &[Event]) -> Tally {
    let transform = build().await;
    let first = of(&*transform);
    let truth = applied(first, &mut memory(first, &Saved::new()), events);
    assert_sound(&truth, events);
    for number in 1..=events.len() {
        // A page, saved; then another process, which knows nothing else.
        let mut before = memory(first, &Saved::new());
        let mut outcomes = applied(first, &mut before, &events[..number]);
        let saved = take(&mut before, Saved::new());
        let transform = build().await;
        let anew = of(&*transform);
        let mut after = memory(anew, &saved);
        outcomes.extend(later(applied(anew, &mut after, &events[number..]), number));
        assert_eq!(outcomes, truth, "after event {number}, it goes on from its memory as it was saved");
        // What came after is taken back, and comes again.
        let changes = after.take_changes();
        after.undo(changes);
        let again = later(applied(anew, &mut after, &events[number..]), number);
        assert_eq!(
            again,
            outcomes[outcomes.len() - again.len()..],
            "a page that is taken back makes the same again"
        );
    }
    let mut one_by_one = memory(first, &Saved::new());
    let mut singly = Vec::new();
    for (number, event) in events.iter().enumerate() {
        singly.extend(later(applied(first, &mut one_by_one, std::slice::from_ref(event)), number));
    }
    assert_eq!(singly, truth, "event by event it makes the same as of all at once");
    Tally { events: events.len(), pages: 1, restarts: events.len(), ..Tally::default() }
}

fn of(transform: &dyn Transform) -> &dyn StatefulTransform {
    transform.stateful().unwrap_or_else(|| panic!("an instance that remembers always does"))
}

fn memory(transform: &dyn StatefulTransform, saved: &Saved) -> Memory {
    Memory::restored(transform.max_entries(), saved.clone())
}

fn applied(transform: &dyn StatefulTransform, memory: &mut Memory, events: &[Event]) -> Vec<Became> {
    let mut out = Outputs::new();
    let applied = memory.attempt(|memory| transform.apply(events.to_vec(), memory, &mut out));
    applied.unwrap_or_else(|error| {
        panic!("apply: an event that cannot be taken is a dead letter, not an error: {}", error.chain())
    });
    became(out)
}

fn later(outcomes: Vec<Became>, by: usize) -> Vec<Became> {
    outcomes.into_iter().map(|one| Became { of: one.of + by, ..one }).collect()
}

/// Saves what has changed, as a checkpoint does.
fn take(memory: &mut Memory, mut saved: Saved) -> Saved {
    for change in memory.take_changes() {
        match change.after {
            Some(entry) => saved.insert(change.key, entry),
            None => saved.remove(&change.key),
        };
    }
    saved
}

//! The contract of transforms: each event ends in exactly one way, in the order of the feed, with ids that are the same
//! whenever it comes again, however pages are cut and however many partitions are served at once.
//!
//! Invariant: two attempts at the same events are compared whole: outputs, ids, content, verdicts.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;
use sluicebox_core::{Event, Outputs, Transform, TransformOutcome, object_fields};

use crate::{Tally, stateful};

/// Partitions that are served at once.
const PARTITIONS: usize = 8;

/// What became of events, in a form that can be compared and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Became {
    /// The event that came, by its number.
    pub(crate) of: usize,
    /// What became of it, in a word; for `emitted` with the output.
    pub(crate) what: String,
    /// The id of what goes on.
    pub(crate) id: String,
    pub(crate) json: String,
}

impl Became {
    fn of((of, outcome): (usize, TransformOutcome)) -> Self {
        let (what, event) = match outcome {
            TransformOutcome::Emit(output, event) => {
                (format!("emitted on {}", output.as_deref().unwrap_or("the main output")), Some(event))
            }
            TransformOutcome::Discard(reason) => (format!("discarded: {}", reason.as_str()), None),
            TransformOutcome::Absorb => ("absorbed".to_owned(), None),
            TransformOutcome::DeadLetter(event, reason, _) => {
                (format!("dead letter: {}", reason.as_str()), Some(event))
            }
        };
        let id = event.as_ref().map(|event| event.meta().id.to_string()).unwrap_or_default();
        let json = event.map(|event| String::from_utf8_lossy(&event.json()).into_owned()).unwrap_or_default();
        Self { of, what, id, json }
    }

    fn is_emitted(&self) -> bool {
        self.what.starts_with("emitted")
    }
}

/// What became of a batch.
pub(crate) fn became(out: Outputs) -> Vec<Became> {
    out.into_outcomes().into_iter().map(Became::of).collect()
}

/// Proves that a transform keeps its contract, with events of one partition in feed order: some that it changes, some
/// that it lets go, some that it cannot take. Their ids differ. `build` makes an instance as the start of a process does.
///
/// 1. Every event ends in one way, said in so many words: it goes on once or more, or it is discarded, or a dead letter.
/// 2. What goes on leaves in the order in which it came; its JSON is an object; on one output no id stands twice.
/// 3. An instance built anew makes the same of the same events, ids included.
/// 4. Pages are cut elsewhere when they come again: event by event, it makes the same as of all at once.
/// 5. One instance serves many partitions at once, and none sees the others.
/// 6. One that remembers ([`StatefulTransform`](sluicebox_core::StatefulTransform)) makes the same from a memory as it
///    was saved, and from one in which a page was taken back.
///
/// Not for transforms that ask others, whose answers may differ, unless those always answer the same.
///
/// # Panics
/// If it breaks one.
pub async fn transform(build: impl AsyncFn() -> Box<dyn Transform>, events: &[Event]) -> Tally {
    assert!(events.len() > 1, "a contract needs two events at least");
    let transform = build().await;
    if transform.stateful().is_some() {
        return stateful::prove(&build, events).await;
    }
    let truth = applied(&*transform, events.to_vec()).await;
    assert_sound(&truth, events);
    let anew = applied(&*build().await, events.to_vec()).await;
    assert_eq!(anew, truth, "an instance built anew makes the same of the same events");
    let mut singly = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let alone = applied(&*transform, vec![event.clone()]).await;
        singly.extend(alone.into_iter().map(|one| Became { of: one.of + number, ..one }));
    }
    assert_eq!(singly, truth, "event by event it makes the same as of all at once");
    // Each has the events in another order, so that they are never all at the same one.
    let partitions = (0..PARTITIONS).map(|by| applied(&*transform, rotated(events, by)));
    for (by, one) in join_all(partitions).await.into_iter().enumerate() {
        let expected = rotated_outcomes(&truth, events.len(), by);
        assert_eq!(
            one, expected,
            "one instance serves {PARTITIONS} partitions at once, and none sees the others"
        );
    }
    Tally { events: events.len(), pages: 1, restarts: 1, ..Tally::default() }
}

fn rotated(events: &[Event], by: usize) -> Vec<Event> {
    let mut events = events.to_vec();
    let by = by % events.len();
    events.rotate_left(by);
    events
}

/// What becomes of rotated events, if each is judged by itself.
fn rotated_outcomes(truth: &[Became], count: usize, by: usize) -> Vec<Became> {
    let places = (0..count).map(|place| (place, (place + by) % count));
    let outcomes = places.flat_map(|(place, number)| {
        let own = truth.iter().filter(move |one| one.of == number);
        own.map(move |one| Became { of: place, ..one.clone() })
    });
    outcomes.collect()
}

async fn applied(transform: &dyn Transform, batch: Vec<Event>) -> Vec<Became> {
    let mut out = Outputs::new();
    let applied = transform.apply(batch, &mut out).await;
    applied.unwrap_or_else(|error| {
        panic!("apply: an event that cannot be taken is a dead letter, not an error: {}", error.chain())
    });
    became(out)
}

/// Whether an id is that of an event or of one of its children.
fn is_of(id: &str, event: &str) -> bool {
    id.strip_prefix(event).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What holds for the outcomes of any batch.
pub(crate) fn assert_sound(outcomes: &[Became], events: &[Event]) {
    let mut ends: BTreeMap<usize, Vec<&Became>> = BTreeMap::new();
    for one in outcomes {
        assert!(one.of < events.len(), "there is no event {} in a batch of {}", one.of, events.len());
        ends.entry(one.of).or_default().push(one);
    }
    for (number, event) in events.iter().enumerate() {
        let id = &event.meta().id;
        let ends = ends.get(&number).map(Vec::as_slice).unwrap_or_default();
        assert!(!ends.is_empty(), "{id}: every event has a verdict, and this one has none");
        let stays: Vec<_> = ends.iter().filter(|end| !end.is_emitted()).collect();
        // What goes on beside it may have been brought about by it (a window that closes); it itself may not.
        let goes_on = ends.iter().any(|end| end.is_emitted() && is_of(&end.id, id));
        let is_one = stays.is_empty() || (stays.len() == 1 && (!goes_on || stays[0].what == "absorbed"));
        assert!(is_one, "{id}: an event ends in one way, not {ends:?}");
    }
    let emitted: Vec<&Became> = outcomes.iter().filter(|one| one.is_emitted()).collect();
    let mut known = HashSet::new();
    for one in &emitted {
        let is_object = object_fields(&one.json).is_ok();
        assert!(is_object, "{}: an event is a JSON object, not {}", one.id, one.json);
        assert!(!one.id.is_empty(), "what goes on has an id: {one:?}");
        assert!(known.insert((&one.what, &one.id)), "{}: {} twice", one.id, one.what);
    }
    let is_ordered = emitted.windows(2).all(|pair| pair[0].of <= pair[1].of);
    assert!(is_ordered, "events leave in the order in which they came: {emitted:?}");
}

#[cfg(test)]
mod tests;

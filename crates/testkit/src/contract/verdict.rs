//! What a trial must have left behind.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::Promise;

/// What arrived against what was served.
pub(crate) struct Verdict {
    /// Events that were served and have not arrived.
    pub(crate) lost: usize,
    /// Arrivals beyond the first of an event.
    pub(crate) repeated: usize,
    /// Arrivals that were never served.
    pub(crate) foreign: usize,
    /// Keys whose events arrived for the first time in another order.
    pub(crate) disordered: usize,
}

impl Verdict {
    /// Compares; `truth` in the order of the feed, `expected` what should arrive for each of its events.
    pub(crate) fn new(truth: &[String], expected: impl Fn(&str) -> String, arrived: &[String]) -> Self {
        let expected: Vec<String> = truth.iter().map(|event| expected(event)).collect();
        let keys: Vec<String> = truth.iter().map(|event| key(event)).collect();
        let places: HashMap<&str, usize> =
            expected.iter().enumerate().map(|(place, event)| (event.as_str(), place)).collect();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut repeated, mut foreign) = (0, 0);
        let mut disordered = HashSet::new();
        for event in arrived {
            let Some(place) = places.get(event.as_str()).copied() else {
                foreign += 1;
                continue;
            };
            if !seen.insert(event) {
                repeated += 1;
                continue;
            }
            let key = keys[place].as_str();
            if last.get(key).is_some_and(|before| *before > place) {
                disordered.insert(key);
            }
            last.insert(key, place);
        }
        Self { lost: truth.len() - seen.len(), repeated, foreign, disordered: disordered.len() }
    }

    /// Everything arrived, in order per key, byte for byte, and not more often than promised.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub(crate) fn assert(&self, what: &str, promise: Promise, repeats: usize) {
        let Self { lost, repeated, foreign, disordered } = self;
        assert_eq!(*lost, 0, "{what}: lost ({repeated} repeated, {foreign} foreign)");
        assert_eq!(*foreign, 0, "{what}: not byte for byte what was served");
        assert_eq!(*disordered, 0, "{what}: keys whose events changed places");
        match promise {
            Promise::ExactlyOnce => assert_eq!(*repeated, 0, "{what}: there twice"),
            Promise::AtLeastOnce => {
                assert!(*repeated <= repeats, "{what}: {repeated} repeats, at most {repeats}");
            }
        }
    }
}

/// The ordering key of the trials' pipelines: the event's type.
fn key(event: &str) -> String {
    let value: Value = serde_json::from_str(event).unwrap_or_default();
    value["type"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u32, key: &str) -> String {
        format!("{{\"id\":{id},\"type\":\"{key}\"}}")
    }

    #[test]
    fn losses_repeats_strangers_and_disorder_are_seen() {
        let truth = [event(1, "a"), event(2, "b"), event(3, "a"), event(4, "b")];
        let fine = Verdict::new(
            &truth,
            str::to_owned,
            &[event(2, "b"), event(1, "a"), event(3, "a"), event(4, "b")],
        );
        fine.assert("keys may overtake each other", Promise::ExactlyOnce, 0);
        let seen = Verdict::new(
            &truth,
            str::to_owned,
            &[event(3, "a"), event(1, "a"), event(3, "a"), event(9, "a")],
        );
        assert_eq!((seen.lost, seen.repeated, seen.foreign, seen.disordered), (2, 1, 1, 1));
    }
}

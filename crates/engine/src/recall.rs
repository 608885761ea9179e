//! Dead letters whose event may come again, because its page was not safe when the letter was made.
//!
//! Invariant: an event and a letter of it are never both on their way: a letter is taken back before its event, come
//! again, goes any further, and is not replayed as long as its page may still come again.

use std::collections::HashMap;

use sluicebox_core::{LetterKey, Meta};
use smol_str::SmolStr;

/// The letters of one partition.
#[derive(Default)]
pub(crate) struct Recall {
    /// Made for pages of this run that are not durable yet, with the slot of each.
    made: Vec<(u64, LetterKey)>,
    /// Of pages that come again, by the id of their event.
    expected: HashMap<SmolStr, Vec<LetterKey>>,
    /// The feed had nothing more when this slot was the newest: with it, everything has come again that ever will.
    last_slot: Option<u64>,
}

impl Recall {
    /// Letters that were found at start.
    pub(crate) fn new(found: Vec<LetterKey>) -> Self {
        let mut recall = Self::default();
        for key in found {
            recall.expect(key);
        }
        recall
    }

    fn expect(&mut self, key: LetterKey) {
        self.expected.entry(key.id.clone()).or_default().push(key);
    }

    /// A letter was made for a page in flight.
    pub(crate) fn made(&mut self, slot: u64, key: LetterKey) {
        self.made.push((slot, key));
    }

    /// Events come (again): the letters of theirs that have to be taken back.
    pub(crate) fn take<'m>(&mut self, events: impl Iterator<Item = &'m Meta>) -> Vec<LetterKey> {
        let mut found = Vec::new();
        if self.expected.is_empty() {
            return found;
        }
        for meta in events {
            let Some(keys) = self.expected.get_mut(&meta.id) else { continue };
            let is_same = |key: &mut LetterKey| key.source == meta.source && key.account == meta.account;
            found.extend(keys.extract_if(.., is_same));
            if keys.is_empty() {
                self.expected.remove(&meta.id);
            }
        }
        found
    }

    /// Whether the event of a letter may still come again.
    pub(crate) fn is_open(&self, key: &LetterKey) -> bool {
        self.made.iter().any(|(_, made)| made == key)
            || self.expected.get(&key.id).is_some_and(|expected| expected.contains(key))
    }

    /// Everything up to this slot is durable: those pages never come again.
    pub(crate) fn durable(&mut self, slot: u64) {
        self.made.retain(|(made, _)| *made > slot);
        if self.last_slot.is_some_and(|last| last <= slot) {
            self.expected.clear();
        }
    }

    /// The feed has nothing more, and its newest page has this slot; `durable` is the newest one that is durable.
    pub(crate) fn caught_up(&mut self, newest: u64, durable: u64) {
        if self.expected.is_empty() {
            return;
        }
        self.last_slot = Some(newest);
        self.durable(durable);
    }

    /// Pages beyond a slot come again.
    pub(crate) fn rewind(&mut self, slot: u64) {
        let again = self.made.extract_if(.., |(made, _)| *made > slot);
        let again: Vec<LetterKey> = again.map(|(_, key)| key).collect();
        for key in again {
            self.expect(key);
        }
        self.last_slot = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: &str) -> Meta {
        Meta::new("feed", "a", id)
    }

    fn key(id: &str) -> LetterKey {
        LetterKey::new("judge", &meta(id))
    }

    #[test]
    fn what_comes_again_is_taken_back_once() {
        let mut recall = Recall::new(vec![key("a"), key("b")]);
        assert!(recall.is_open(&key("a")));
        assert_eq!(recall.take([&meta("x"), &meta("a")].into_iter()), [key("a")]);
        assert!(!recall.is_open(&key("a")) && recall.is_open(&key("b")));
        assert_eq!(recall.take([&meta("a")].into_iter()), []);
        let other = Meta { account: "another".into(), ..meta("b") };
        assert_eq!(recall.take([&other].into_iter()), [], "the same number in another feed");
    }

    #[test]
    fn what_does_not_come_again_is_free_once_the_feed_has_no_more() {
        let mut recall = Recall::new(vec![key("a")]);
        recall.durable(7);
        assert!(recall.is_open(&key("a")), "more may come");
        recall.caught_up(9, 7);
        assert!(recall.is_open(&key("a")), "it may be on its way");
        recall.durable(9);
        assert!(!recall.is_open(&key("a")));
    }

    #[test]
    fn a_letter_of_this_run_is_open_until_its_page_is_durable() {
        let mut recall = Recall::default();
        recall.made(3, key("a"));
        recall.made(4, key("b"));
        assert!(recall.is_open(&key("a")));
        recall.durable(3);
        assert!(!recall.is_open(&key("a")) && recall.is_open(&key("b")));
        recall.rewind(3);
        assert_eq!(recall.take([&meta("a"), &meta("b")].into_iter()), [key("b")]);
    }
}

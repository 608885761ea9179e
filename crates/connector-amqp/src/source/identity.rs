//! Ids for messages that bring none: known by their content, and counted where the content is the same.
//!
//! A redelivered message should get the id that it had, so that the repeat is seen; a second message that says the same
//! as the first must not pass for a repeat of it, or it would be lost. So an id is the content and a number: how many
//! equal messages were acknowledged before, plus its place among the equal ones that are not. Redelivery starts again
//! after the acknowledged ones. Invariant: as long as the broker redelivers in order, a message that was never
//! acknowledged never gets the id of one that was.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest, Sha256};
use smol_str::SmolStr;

/// Contents that are remembered although nothing of them is on its way; more than the engine's window for repeats.
const MOST_REMEMBERED: usize = 4096;

/// SHA-256 of what makes a message what it is.
pub(crate) type Content = [u8; 32];

/// Gives out ids.
#[derive(Default)]
pub(crate) struct Identities {
    counts: HashMap<Content, Count>,
    /// What was given out and is not acknowledged, by delivery tag.
    unacknowledged: VecDeque<(u64, Content)>,
    /// Contents of which nothing was on its way, by when that was; some are again, and will stand here once more.
    at_rest: VecDeque<(u64, Content)>,
    rests: u64,
}

#[derive(Default)]
struct Count {
    acknowledged: u64,
    unacknowledged: u64,
    /// When nothing of it was on its way for the last time.
    rested: u64,
}

impl Identities {
    /// The number of this message among those of the same content, from 1.
    pub(crate) fn number(&mut self, tag: u64, content: Content) -> u64 {
        let count = self.counts.entry(content).or_default();
        count.unacknowledged += 1;
        self.unacknowledged.push_back((tag, content));
        count.acknowledged + count.unacknowledged
    }

    /// Everything up to `tag` is acknowledged.
    pub(crate) fn acknowledged(&mut self, tag: u64) {
        while let Some((_, content)) = self.unacknowledged.front().copied().filter(|(given, _)| *given <= tag)
        {
            self.unacknowledged.pop_front();
            if let Some(count) = self.counts.get_mut(&content) {
                count.acknowledged += 1;
                count.unacknowledged -= 1;
                if count.unacknowledged == 0 {
                    self.rest(content);
                }
            }
        }
        while self.at_rest.len() > MOST_REMEMBERED {
            let Some((when, content)) = self.at_rest.pop_front() else { break };
            let is_idle = |count: &Count| count.unacknowledged == 0 && count.rested == when;
            if self.counts.get(&content).is_some_and(is_idle) {
                self.counts.remove(&content);
            }
        }
    }

    /// The broker redelivers everything that is not acknowledged.
    pub(crate) fn start_over(&mut self) {
        for (_, content) in std::mem::take(&mut self.unacknowledged) {
            if let Some(count) = self.counts.get_mut(&content) {
                count.unacknowledged = 0;
                self.rest(content);
            }
        }
    }

    fn rest(&mut self, content: Content) {
        self.rests += 1;
        if let Some(count) = self.counts.get_mut(&content) {
            count.rested = self.rests;
        }
        self.at_rest.push_back((self.rests, content));
    }
}

/// The content of a message: every part with its length, so that no two contents run into each other.
pub(crate) fn content(parts: &[&[u8]]) -> Content {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The id of the `number`th message of a content.
pub(crate) fn id(content: &Content, number: u64) -> SmolStr {
    use std::fmt::Write;
    let mut id = String::from("amqp:");
    for byte in &content[..16] {
        // Writing to a text never fails.
        let _ = write!(id, "{byte:02x}");
    }
    if number > 1 {
        let _ = write!(id, ":{number}");
    }
    SmolStr::from(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_messages_get_ids_of_their_own() {
        let mut identities = Identities::default();
        let (a, b) = (content(&[b"a"]), content(&[b"b"]));
        assert_eq!([identities.number(1, a), identities.number(2, b), identities.number(3, a)], [1, 1, 2]);
        assert_ne!(id(&a, 1), id(&a, 2));
        assert_ne!(content(&[b"ab", b"c"]), content(&[b"a", b"bc"]));
    }

    #[test]
    fn a_redelivered_message_gets_the_id_that_it_had() {
        let mut identities = Identities::default();
        let a = content(&[b"a"]);
        assert_eq!([identities.number(1, a), identities.number(2, a), identities.number(3, a)], [1, 2, 3]);
        identities.acknowledged(1);
        identities.start_over();
        assert_eq!([identities.number(1, a), identities.number(2, a), identities.number(3, a)], [2, 3, 4]);
    }

    #[test]
    fn what_is_remembered_has_a_limit_and_what_is_on_its_way_is_never_forgotten() {
        let mut identities = Identities::default();
        let first = content(&[b"first"]);
        identities.number(1, first);
        identities.acknowledged(1);
        identities.number(2, first);
        for number in 3..10_000_u64 {
            identities.number(number, content(&[&number.to_be_bytes()]));
        }
        identities.acknowledged(1);
        assert_eq!(identities.number(10_000, first), 3);
        identities.acknowledged(10_000);
        assert!(identities.counts.len() <= MOST_REMEMBERED + 1, "{}", identities.counts.len());
    }
}

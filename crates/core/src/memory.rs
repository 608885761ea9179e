//! What a transform remembers of one partition: keys and values, bounded, forgotten in the time of the events.
//!
//! It takes part in delivery like a sink (delivery section 1.9): whatever a page changed here is saved in the very commit
//! that saves the cursor after that page. Invariant: a memory is a function of the events that went through it, in their
//! order. It has no clock; what is old is said by the newest event.

mod groups;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use smol_str::SmolStr;

pub use self::groups::GroupSize;
use self::groups::Groups;
use crate::{Event, Outputs, Result, Timestamp};

/// A transform that remembers.
///
/// It must be a deterministic function of its memory and its events: no clock, no chance, no network. After a crash the
/// events since the last saved cursor come again, meet the memory as it was then, and must make the same events with
/// the same ids.
pub trait StatefulTransform: Send + Sync {
    /// Most entries that its memory of one partition may hold. Beyond it those are forgotten that were written least
    /// recently.
    fn max_entries(&self) -> usize;

    /// Takes a batch of one partition and says what became of each event, as
    /// [`Transform::apply`](crate::Transform::apply) does.
    ///
    /// # Errors
    /// What the batch changed in the memory is undone; then as with [`Transform::apply`](crate::Transform::apply).
    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()>;
}

/// Under this key lies the time, in milliseconds as eight bytes. Transforms cannot use it.
const TIME: &str = "";

/// One thing remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What.
    pub value: Bytes,
    /// When it is forgotten, in the time of the events; `None`: never for its age.
    pub until: Option<Timestamp>,
    /// Grows with every write: the lowest was written least recently.
    pub written: u64,
}

/// An entry that changed: as it was, and as it is now. `None`: not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryChange {
    /// Its key.
    pub key: SmolStr,
    /// As it was.
    pub before: Option<Remembered>,
    /// As it is now.
    pub after: Option<Remembered>,
}

/// What one transform remembers of one partition.
#[derive(Debug)]
pub struct Memory {
    entries: BTreeMap<SmolStr, Remembered>,
    by_age: BTreeMap<u64, SmolStr>,
    by_end: BTreeSet<(Timestamp, SmolStr)>,
    /// As things were before the changes that nobody has taken yet.
    changed: BTreeMap<SmolStr, Option<Remembered>>,
    /// What an attempt has replaced so far, in order.
    attempted: Option<Vec<(SmolStr, Option<Remembered>)>>,
    groups: Groups,
    /// What lies under [`TIME`].
    time: Option<Timestamp>,
    written: u64,
    max_entries: usize,
}

impl Memory {
    /// Ends the name of a group inside a key: `seen␟alice` is in the group `seen␟`, `tags␟alice␟new` in `tags␟` and in
    /// `tags␟alice␟`. There are two levels at most.
    pub const GROUP_END: char = groups::END;

    /// An empty memory.
    pub fn new(max_entries: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_age: BTreeMap::new(),
            by_end: BTreeSet::new(),
            changed: BTreeMap::new(),
            attempted: None,
            groups: Groups::default(),
            time: None,
            written: 0,
            max_entries: max_entries.max(1),
        }
    }

    /// A memory as it was saved.
    pub fn restored(max_entries: usize, entries: impl IntoIterator<Item = (SmolStr, Remembered)>) -> Self {
        let mut memory = Self::new(max_entries);
        for (key, entry) in entries {
            memory.put_back(key, Some(entry));
        }
        memory
    }

    /// The time of the newest event, as far as anybody has said it; `None` before the first.
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Lets the time go on to that of an event and forgets what has ended by then. It never goes back.
    pub fn advance(&mut self, to: Timestamp) {
        if self.time().is_none_or(|time| time < to) {
            self.write(TIME, Bytes::copy_from_slice(&to.as_millis().to_le_bytes()), None);
            while let Some((_, key)) = self.by_end.first().filter(|(until, _)| *until <= to).cloned() {
                self.forget(&key);
            }
        }
    }

    /// What is remembered under a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.entries.get(key).filter(|_| key != TIME).map(|entry| &entry.value)
    }

    /// Remembers a value under a key (not empty), until a moment in the time of the events or for good; it counts as
    /// written now.
    pub fn put(&mut self, key: &str, value: impl Into<Bytes>, until: Option<Timestamp>) {
        debug_assert!(!key.is_empty(), "the empty key is taken");
        self.write(key, value.into(), until);
        while self.len() > self.max_entries {
            let Some((_, oldest)) = self.by_age.first_key_value() else { break };
            self.forget(&oldest.clone());
        }
    }

    /// Forgets a key; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        key != TIME && self.forget(key)
    }

    /// Everything whose key begins so, in the order of the keys.
    pub fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a SmolStr, &'a Bytes)> {
        let range =
            self.entries.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let entries = range.take_while(move |(key, _)| key.starts_with(prefix));
        entries.filter(|(key, _)| *key != TIME).map(|(key, entry)| (key, &entry.value))
    }

    /// How many things are remembered.
    pub fn len(&self) -> usize {
        self.entries.len() - usize::from(self.time.is_some())
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much is remembered in a group, named with its [`Memory::GROUP_END`].
    pub fn group(&self, group: &str) -> GroupSize {
        self.groups.size(group)
    }

    /// Forgets what was written least recently in a group; whether there was anything.
    pub fn forget_oldest(&mut self, group: &str) -> bool {
        let oldest = self.groups.oldest(group).and_then(|written| self.by_age.get(&written)).cloned();
        oldest.is_some_and(|key| self.forget(&key))
    }

    /// Makes changes that are kept together or, on an error, not at all.
    ///
    /// # Errors
    /// That of `change`; the memory is as it was before.
    pub fn attempt<T, E>(&mut self, change: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let outer = self.attempted.replace(Vec::new());
        let result = change(self);
        let replaced = std::mem::replace(&mut self.attempted, outer).unwrap_or_default();
        if result.is_err() {
            for (key, before) in replaced.into_iter().rev() {
                self.put_back(key, before);
            }
        } else if let Some(outer) = &mut self.attempted {
            outer.extend(replaced);
        }
        result
    }

    /// What has changed since the last call; the engine saves it with the page that changed it.
    pub fn take_changes(&mut self) -> Vec<MemoryChange> {
        let taken = std::mem::take(&mut self.changed).into_iter();
        let changes = taken.map(|(key, before)| {
            let after = self.entries.get(&key).cloned();
            MemoryChange { key, before, after }
        });
        changes.filter(|change| change.before != change.after).collect()
    }

    /// Takes changes back, given in the order in which they were made.
    pub fn undo(&mut self, changes: Vec<MemoryChange>) {
        for change in changes.into_iter().rev() {
            self.put_back(change.key, change.before);
        }
    }

    fn write(&mut self, key: &str, value: Bytes, until: Option<Timestamp>) {
        self.written += 1;
        let entry = Remembered { value, until, written: self.written };
        let before = self.replace(SmolStr::from(key), Some(entry));
        self.has_changed(SmolStr::from(key), before);
    }

    fn forget(&mut self, key: &str) -> bool {
        let Some(before) = self.replace(SmolStr::from(key), None) else { return false };
        self.has_changed(SmolStr::from(key), Some(before));
        true
    }

    fn has_changed(&mut self, key: SmolStr, before: Option<Remembered>) {
        if let Some(attempted) = &mut self.attempted {
            attempted.push((key.clone(), before.clone()));
        }
        self.changed.entry(key).or_insert(before);
    }

    /// As [`Memory::replace`], and later writes count as younger. No change of its own.
    fn put_back(&mut self, key: SmolStr, entry: Option<Remembered>) {
        self.written = self.written.max(entry.as_ref().map_or(0, |entry| entry.written));
        self.replace(key, entry);
    }

    fn replace(&mut self, key: SmolStr, entry: Option<Remembered>) -> Option<Remembered> {
        let before = match &entry {
            Some(entry) => self.entries.insert(key.clone(), entry.clone()),
            None => self.entries.remove(&key),
        };
        if key == TIME {
            self.time = entry.and_then(|entry| time(&entry.value));
            return before;
        }
        self.groups.replace(&key, before.as_ref(), entry.as_ref());
        if let Some(before) = &before {
            self.by_age.remove(&before.written);
            before.until.map(|until| self.by_end.remove(&(until, key.clone())));
        }
        if let Some(entry) = entry {
            entry.until.map(|until| self.by_end.insert((until, key.clone())));
            self.by_age.insert(entry.written, key);
        }
        before
    }
}

/// A time as it lies under [`TIME`].
fn time(bytes: &Bytes) -> Option<Timestamp> {
    let bytes = bytes.as_ref().try_into().ok()?;
    Some(Timestamp::from_millis(i64::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millis(milliseconds)
    }

    fn keys(memory: &Memory) -> Vec<&str> {
        memory.starting_with("").map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn what_ends_is_forgotten_in_the_time_of_the_events() {
        let mut memory = Memory::new(10);
        memory.advance(at(1000));
        memory.put("a", "1", Some(at(1500)));
        memory.put("b", "2", Some(at(2500)));
        memory.put("c", "3", None);
        memory.advance(at(500));
        assert_eq!((memory.time(), memory.len()), (Some(at(1000)), 3), "the time never goes back");
        memory.advance(at(1500));
        assert_eq!(keys(&memory), ["b", "c"]);
        memory.put("b", "2", Some(at(9000)));
        memory.advance(at(3000));
        assert_eq!(keys(&memory), ["b", "c"], "an entry that was written again lives longer");
    }

    #[test]
    fn the_least_recently_written_goes_first() {
        let mut memory = Memory::new(2);
        memory.advance(at(1));
        memory.put("a", "1", None);
        memory.put("b", "1", None);
        memory.put("a", "2", None);
        memory.put("c", "1", None);
        assert_eq!(keys(&memory), ["a", "c"]);
        assert_eq!((memory.get("a"), memory.get("b"), memory.get("")), (Some(&Bytes::from("2")), None, None));
        let entries: Vec<_> = memory.entries.clone().into_iter().collect();
        let mut restored = Memory::restored(2, entries);
        restored.put("d", "1", None);
        assert_eq!((keys(&restored), restored.time()), (vec!["c", "d"], Some(at(1))));
    }

    #[test]
    fn changes_are_told_once_and_can_be_taken_back() {
        let mut memory = Memory::new(2);
        memory.put("a", "1", None);
        memory.put("b", "1", Some(at(5)));
        let first = memory.take_changes();
        assert_eq!(first.iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(memory.take_changes(), []);
        let before: Vec<_> = memory.entries.clone().into_iter().collect();
        memory.advance(at(9));
        memory.put("a", "2", None);
        memory.put("c", "1", None);
        memory.put("d", "1", None);
        assert!(memory.remove("c") && !memory.remove("c"));
        let second = memory.take_changes();
        assert!(second.iter().all(|change| change.key != "c"), "what came and went is no change");
        memory.undo(second);
        assert_eq!(memory.entries.clone().into_iter().collect::<Vec<_>>(), before);
        assert_eq!((memory.by_age.len(), memory.by_end.len(), memory.time()), (2, 1, None));
    }

    #[test]
    fn keys_are_found_by_how_they_begin() {
        let mut memory = Memory::new(10);
        for key in ["w:b", "w:a", "x:a", "w"] {
            memory.put(key, key.to_owned(), None);
        }
        memory.advance(at(1));
        let found: Vec<_> = memory.starting_with("w:").map(|(key, _)| key.as_str()).collect();
        assert_eq!((found, memory.len()), (vec!["w:a", "w:b"], 4));
    }

    #[test]
    fn an_attempt_that_fails_changes_nothing() {
        let mut memory = Memory::new(3);
        memory.advance(at(1));
        memory.put("a", "1", Some(at(5)));
        memory.put("b", "1", None);
        memory.take_changes();
        let before: Vec<_> = memory.entries.clone().into_iter().collect();
        let failed: Result<(), &str> = memory.attempt(|memory| {
            memory.advance(at(9));
            memory.put("b", "2", None);
            for key in ["c", "d", "e", "c"] {
                memory.put(key, "1", None);
            }
            memory.remove("d");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        assert_eq!(memory.entries.clone().into_iter().collect::<Vec<_>>(), before);
        assert_eq!(memory.take_changes(), []);
        let made: Result<(), ()> = memory.attempt(|memory| {
            memory.put("b", "3", None);
            let inner: Result<(), ()> = memory.attempt(|memory| {
                memory.put("c", "1", None);
                Err(())
            });
            assert_eq!((inner, memory.get("c")), (Err(()), None));
            Ok(())
        });
        assert_eq!((made, memory.get("b")), (Ok(()), Some(&Bytes::from("3"))));
        assert_eq!(memory.take_changes().len(), 1);
    }

    #[test]
    fn groups_are_measured_and_bounded_one_by_one() {
        let mut memory = Memory::new(100);
        for key in ["s\u{1f}x\u{1f}1", "s\u{1f}y\u{1f}1", "s\u{1f}x\u{1f}2", "t\u{1f}x", "alone"] {
            memory.put(key, "ab", Some(at(5)));
        }
        let sizes = |memory: &Memory| {
            ["s\u{1f}", "s\u{1f}x\u{1f}", "t\u{1f}", "alone"].map(|group| memory.group(group).entries)
        };
        assert_eq!(sizes(&memory), [3, 2, 1, 0]);
        assert_eq!(memory.group("s\u{1f}").bytes, 3 * (5 + 2));
        memory.put("s\u{1f}x\u{1f}1", "abc", None);
        assert_eq!(memory.group("s\u{1f}").bytes, 3 * (5 + 2) + 1);
        assert!(memory.forget_oldest("s\u{1f}x\u{1f}"), "the one that was not written again");
        assert_eq!((memory.get("s\u{1f}x\u{1f}2"), sizes(&memory)), (None, [2, 1, 1, 0]));
        let changes = memory.take_changes();
        let mut restored = Memory::restored(100, memory.entries.clone());
        assert_eq!(sizes(&restored), sizes(&memory));
        memory.undo(changes);
        assert_eq!(sizes(&memory), [0, 0, 0, 0]);
        restored.advance(at(6));
        assert_eq!(sizes(&restored), [1, 1, 0, 0]);
        assert!(!restored.forget_oldest("t\u{1f}"));
    }
}

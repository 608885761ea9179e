//! Parts of a memory, told by how keys begin, so that each can be bounded by itself.
//!
//! Invariant: a group knows exactly the entries that the memory holds of it; an empty one is not kept.

use std::collections::{BTreeSet, HashMap};

use smol_str::SmolStr;

use super::Remembered;

/// Ends the name of a group inside a key.
pub(super) const END: char = '\u{1f}';
/// How many groups a key can be in: those of a longer row of names are not told apart.
const LEVELS: usize = 2;

/// How much a group holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupSize {
    /// Entries.
    pub entries: usize,
    /// Bytes of their keys and values.
    pub bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<SmolStr, Group>);

#[derive(Debug, Default)]
struct Group {
    /// When its entries were written.
    by_age: BTreeSet<u64>,
    bytes: usize,
}

/// The groups that a key is in, outermost first, each with its final mark.
fn of(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices(END).take(LEVELS).map(|(at, end)| &key[..at + end.len()])
}

impl Groups {
    /// An entry of the memory has become another, or has come or gone.
    pub(super) fn replace(&mut self, key: &str, before: Option<&Remembered>, after: Option<&Remembered>) {
        for name in of(key) {
            if !self.0.contains_key(name) {
                self.0.insert(name.into(), Group::default());
            }
            let Some(group) = self.0.get_mut(name) else { continue };
            if let Some(before) = before {
                group.by_age.remove(&before.written);
                group.bytes -= key.len() + before.value.len();
            }
            if let Some(after) = after {
                group.by_age.insert(after.written);
                group.bytes += key.len() + after.value.len();
            } else if group.by_age.is_empty() {
                self.0.remove(name);
            }
        }
    }

    pub(super) fn size(&self, name: &str) -> GroupSize {
        let size = |group: &Group| GroupSize { entries: group.by_age.len(), bytes: group.bytes };
        self.0.get(name).map(size).unwrap_or_default()
    }

    /// When the entry was written that was written least recently.
    pub(super) fn oldest(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.by_age.first().copied()
    }
}

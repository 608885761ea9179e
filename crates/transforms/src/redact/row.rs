//! What removing and renaming entries means for what stands next to them: commas, and keys that become equal.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A part of the event's text, and what stands in its place.
pub(super) type Edit = (Range<usize>, String);

/// The entries of a map or a list, of which some go with their commas.
#[derive(Default)]
pub(super) struct Row {
    /// The end of the entry before.
    pub(super) end: usize,
    /// The first entry that went, while none stayed.
    leading: Option<usize>,
    has_kept: bool,
}

impl Row {
    /// An entry that begins here stays.
    pub(super) fn keep(&mut self, start: usize) -> Option<Edit> {
        self.has_kept = true;
        self.leading.take().map(|leading| (leading..start, String::new()))
    }

    /// An entry goes.
    pub(super) fn drop(&mut self, entry: Range<usize>) -> Option<Edit> {
        let before = std::mem::replace(&mut self.end, entry.end);
        if self.has_kept {
            return Some((before..entry.end, String::new()));
        }
        self.leading.get_or_insert(entry.start);
        None
    }

    /// The end of the row.
    pub(super) fn finish(self) -> Option<Edit> {
        self.leading.map(|leading| (leading..self.end, String::new()))
    }
}

/// The keys of a map of which some are renamed.
pub(super) struct Keys {
    taken: HashSet<String>,
    counts: HashMap<String, usize>,
}

impl Keys {
    /// The keys as they were.
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        Self { taken: names.collect(), counts: HashMap::new() }
    }

    /// A name for a key that no other has: the wanted one, or with `~2`, `~3` at its end.
    pub(super) fn free(&mut self, wanted: &str) -> String {
        let count = self.counts.entry(wanted.to_owned()).or_insert(0);
        loop {
            *count += 1;
            let name = if *count == 1 { wanted.to_owned() } else { format!("{wanted}~{count}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

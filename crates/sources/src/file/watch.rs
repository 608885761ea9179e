//! The files that are being read, against what the folders show: which is which after a rotation, and what is new.
//!
//! Invariant: a file is read from its beginning only if nothing says that it was read already; in doubt it is read, so
//! that events may come twice but none is left out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sluicebox_core::Gap;

use super::entry::{Entry, Node};
use super::found::{Found, begins_as, beside, holds, is_copy, look, matching};
use super::tracked::{Tracked, Whereabouts, text};

/// The files of one source.
pub(super) struct Watch {
    pattern: String,
    /// In the order in which they are read.
    pub(super) files: Vec<Tracked>,
    /// A stretch that was lost since the last page.
    pub(super) gap: Option<Gap>,
    /// Copies of files that are read, as the last look showed them: comparing them costs reading them.
    copies: BTreeMap<Node, (u64, i128)>,
}

/// What became of a file that is not where it was.
enum Traced {
    /// It goes on, here or elsewhere.
    Found,
    Gone,
}

impl Watch {
    pub(super) fn new(pattern: String) -> Self {
        Self { pattern, files: Vec::new(), gap: None, copies: BTreeMap::new() }
    }

    /// Stands at what was saved. Files that are open and still the same stay open, as they may have no name any more.
    pub(super) fn stand_at(&mut self, entries: Vec<Entry>) {
        self.gap = None;
        let mut known = std::mem::take(&mut self.files);
        self.files = entries
            .into_iter()
            .map(|entry| {
                let is_same = |file: &Tracked| file.is_open() && file.entry.node == entry.node;
                match known.iter().position(is_same) {
                    Some(index) => known.swap_remove(index).back_to(entry),
                    None => Tracked::new(entry),
                }
            })
            .collect();
    }

    /// Looks at the folders. New files come last, the oldest first.
    ///
    /// # Errors
    /// The pattern is none.
    pub(super) fn look(&mut self, now: Duration) -> Result<(), String> {
        let mut found: Vec<Option<Found>> = matching(&self.pattern)?.into_iter().map(Some).collect();
        let (mut strays, mut replaced) = (Vec::new(), Vec::new());
        for (index, file) in self.files.iter_mut().enumerate() {
            let is_it = |found: &&mut Option<Found>| {
                found.as_ref().is_some_and(|found| found.node == file.entry.node)
            };
            let Some(slot) = found.iter_mut().find(is_it) else {
                strays.push((index, false));
                continue;
            };
            if let Some(found) = slot.take_if(|found| is_still(file, found)) {
                file.meet(&found);
            } else {
                replaced.push((file.entry.node, file.entry.id));
                strays.push((index, true));
            }
        }
        let mut gone = Vec::new();
        for (index, is_replaced) in strays {
            if matches!(self.trace(index, is_replaced, &mut found, now), Traced::Gone) {
                gone.push(index);
            }
        }
        for index in gone.into_iter().rev() {
            let file = self.files.remove(index);
            self.forget(&file);
        }
        self.welcome(found.into_iter().flatten().collect(), &replaced);
        Ok(())
    }

    /// Looks for a file that is not where it was, or that holds something else now.
    fn trace(
        &mut self,
        index: usize,
        is_replaced: bool,
        found: &mut [Option<Found>],
        now: Duration,
    ) -> Traced {
        let neighbours = beside(self.files[index].path());
        let others: Vec<Node> = self.files.iter().map(|file| file.entry.node).collect();
        let file = &mut self.files[index];
        if !is_replaced {
            let by_node = neighbours.iter().find(|it| it.node == file.entry.node);
            if let Some(renamed) = by_node.filter(|it| begins_as(&it.path, &file.entry)) {
                file.entry.path = text(&renamed.path);
                file.leave(now);
                return Traced::Found;
            }
            if file.is_open_and_alive() {
                file.leave(now);
                return Traced::Found;
            }
        }
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_related = |path: &Path| {
            path.file_name().is_some_and(|other| other.to_string_lossy().starts_with(name.as_str()))
        };
        let is_free = |it: &&Found| it.node != file.entry.node && !others.contains(&it.node);
        let candidate = neighbours
            .iter()
            .filter(|it| is_related(&it.path))
            .filter(is_free)
            .find(|it| holds(it, &file.entry));
        if let Some(candidate) = candidate {
            file.adopt(candidate);
            let slot = found.iter_mut().find(|it| it.as_ref().is_some_and(|it| it.node == candidate.node));
            match slot {
                Some(slot) => *slot = None,
                None => file.leave(now),
            }
            return Traced::Found;
        }
        if !is_replaced && file.is_open() {
            file.leave(now);
            return Traced::Found;
        }
        Traced::Gone
    }

    fn forget(&mut self, file: &Tracked) {
        let (path, offset) = (&file.entry.path, file.entry.offset);
        let missed = file.shown.0.saturating_sub(offset);
        if missed > 0 && !super::reader::is_packed(file.path()) {
            let message = format!("{path} is gone or was cut short before its last {missed} bytes were read");
            // What was taken for a copy may be all that is left.
            self.copies.clear();
            self.gap = Some(Gap { lost_cursor: None, last_seen: None, message });
        } else {
            tracing::info!(path, offset, "a file is gone or was cut short; it is forgotten");
        }
    }

    /// Takes in what nobody knows.
    fn welcome(&mut self, mut unknown: Vec<Found>, replaced: &[(Node, u64)]) {
        // An empty file tells nothing about itself yet.
        unknown.retain(|found| found.size > 0);
        // Whatever is in a copy was in the file that it was made of, even when that one is no more.
        self.copies.retain(|node, _| unknown.iter().any(|found| found.node == *node));
        unknown.sort_by(|left, right| (left.modified, &left.path).cmp(&(right.modified, &right.path)));
        for found in unknown {
            let shown = (found.size, found.modified);
            if self.copies.get(&found.node) == Some(&shown) {
                continue;
            }
            match self.likeness(&found) {
                // What logrotate's `copytruncate` does just now, or has done: it is told when the file is cut short.
                Likeness::Copy => {
                    self.copies.insert(found.node, shown);
                    continue;
                }
                Likeness::Unclear => continue,
                Likeness::None => {}
            }
            let after = replaced.iter().find(|(node, _)| *node == found.node).map_or(0, |(_, id)| *id);
            let entry = Entry { path: text(&found.path), node: found.node, after, ..Entry::default() };
            tracing::info!(path = entry.path, "reading a file");
            let mut file = Tracked::new(entry);
            file.meet(&found);
            self.files.push(file);
        }
    }
}

/// Whether a file whose inode is known is the one that is known, and has not been cut short.
fn is_still(file: &Tracked, found: &Found) -> bool {
    if file.shown == (found.size, found.modified) {
        return true;
    }
    let is_long_enough = super::reader::is_packed(&found.path) || found.size >= file.entry.offset;
    is_long_enough && begins_as(&found.path, &file.entry)
}

/// What a file that nobody knows has to do with those that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// It is named after one of them, and holds nothing that the other does not.
    Copy,
    /// One of them was cut short or replaced while they were compared: the next look will tell.
    Unclear,
    None,
}

impl Watch {
    fn likeness(&self, found: &Found) -> Likeness {
        let mut likeness = Likeness::None;
        for file in self.files.iter().filter(|file| is_named_after(&found.path, file.path())) {
            if is_copy(&found.path, file.path()) {
                return Likeness::Copy;
            }
            let is_same =
                look(file.path()).is_some_and(|now| now.node == file.entry.node && now.size >= file.shown.0);
            if file.whereabouts == Whereabouts::Here && !is_same {
                likeness = Likeness::Unclear;
            }
        }
        likeness
    }
}

/// Whether the name of a file is that of another one in its folder, and more.
fn is_named_after(copy: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(longer), Some(shorter)) = (name(copy), name(original)) else { return false };
    longer.len() > shorter.len() && longer.starts_with(&shorter) && copy.parent() == original.parent()
}

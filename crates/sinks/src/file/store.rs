//! The files that one sink is writing: few handles for any number of paths, batches that are written whole or not at
//! all, and files that are renamed once they are complete.
//!
//! Invariant: a call of [`Store::append`] means that everything before it counts (the checkpoint covers it, where there
//! is one). So only then files are completed or forgotten, and only what the last call wrote can ever be taken back.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use sluicebox_core::{Result, Timestamp};

use crate::file::appender::Appender;
use crate::file::fault::{classify, foreign, moved, shorter};
use crate::file::names;

mod adopt;
mod complete;
mod layout;
mod notes;

pub(crate) use adopt::Known;
pub(crate) use layout::Layout;
pub(crate) use notes::Notes;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Entry {
    /// None while another file needs the handle.
    appender: Option<Appender>,
    /// Where it lies now.
    pub(crate) active: PathBuf,
    /// Where it will lie when it is complete, if it ever is.
    pub(crate) complete: Option<PathBuf>,
    pub(crate) begun: Timestamp,
    /// The length after the last batch that was written.
    pub(crate) length: u64,
    used: u64,
    /// Whether an earlier batch has written it: then, where there is a checkpoint, it knows of this file.
    pub(crate) is_recorded: bool,
}

/// The files of a sink by the path that their events chose.
pub(crate) struct Store {
    layout: Layout,
    entries: BTreeMap<PathBuf, Entry>,
    uses: u64,
    now: Timestamp,
    /// Where the files of the last batch ended before it.
    undo: Vec<(PathBuf, u64)>,
    /// Lengths of files that were whole when they were closed: they need no second look.
    closed: HashMap<PathBuf, u64>,
    /// Names of complete files that were begun in this second: readers may have taken them away, but no other file gets
    /// one of them.
    given: BTreeMap<PathBuf, Timestamp>,
}

/// Most closed files, and most names, that are remembered.
const MOST_CLOSED: usize = 4096;

impl Store {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            entries: BTreeMap::new(),
            uses: 0,
            now: Timestamp::default(),
            undo: Vec::new(),
            closed: HashMap::new(),
            given: BTreeMap::new(),
        }
    }

    /// Appends the bytes of every path and syncs them: all of them, or none.
    pub(crate) fn append(
        &mut self,
        groups: &[(PathBuf, Vec<u8>)],
        now: Timestamp,
        notes: &impl Notes,
    ) -> Result<()> {
        self.advance(now);
        self.undo.clear();
        self.settle(notes)?;
        groups.iter().try_for_each(|(path, _)| self.begin(path))?;
        let unrecorded: Vec<&Entry> = self.entries.values().filter(|entry| !entry.is_recorded).collect();
        if !unrecorded.is_empty() {
            notes.before_writing(&unrecorded)?;
        }
        for (path, bytes) in groups {
            if let Err(error) = self.append_one(path, bytes) {
                // The batch comes again whole. If a file cannot be cut now, its lines come twice at least once.
                let _ = self.undo_last();
                return Err(error);
            }
        }
        self.entries.values_mut().for_each(|entry| entry.is_recorded = true);
        Ok(())
    }

    fn append_one(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let encoding = self.layout.encoding.clone();
        let entry = self.open(path)?;
        let packed = encoding
            .pack(bytes, entry.length == 0)
            .map_err(|error| classify(error, "compress what goes into", &entry.active))?;
        let before = entry.length;
        opened(entry).append(&packed)?;
        entry.length += packed.len() as u64;
        self.undo.push((path.to_owned(), before));
        Ok(())
    }

    /// Takes the last batch out of its files again.
    pub(crate) fn undo_last(&mut self) -> Result<()> {
        while let Some((path, length)) = self.undo.pop() {
            self.make_room(&path);
            let Some(entry) = self.entries.get_mut(&path) else { continue };
            if entry.appender.is_none() {
                entry.appender = Some(Appender::open(&entry.active)?);
            }
            opened(entry).cut_to(length)?;
            entry.length = length;
        }
        Ok(())
    }

    /// Lets go of all files as they are.
    pub(crate) fn let_go(&mut self) {
        self.entries.clear();
        self.closed.clear();
        self.undo.clear();
    }

    /// Makes the entry of a path. A file that is there is opened and looked at.
    pub(crate) fn begin(&mut self, path: &Path) -> Result<()> {
        if self.entries.contains_key(path) {
            return Ok(());
        }
        let (mut appender, mut begun) = (None, self.now);
        if !self.layout.parts && path.exists() {
            self.make_room(path);
            let mut file = Appender::open(path)?;
            if self.closed.get(path) != Some(&file.length()) {
                file.repair(&self.layout.encoding)?;
            }
            if file.length() > 0 {
                begun = file.begun().map_or(begun, |made| made.min(begun));
            }
            appender = Some(file);
        }
        let complete = self.name_for(path, begun);
        let active = complete.as_deref().filter(|_| self.layout.parts).map_or(path.to_owned(), names::part);
        let length = appender.as_ref().map_or(0, Appender::length);
        let entry = Entry { appender, active, complete, begun, length, used: self.uses, is_recorded: false };
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// The name that what is begun at a path gets once it is complete, if it ever is.
    fn name_for(&self, path: &Path, begun: Timestamp) -> Option<PathBuf> {
        self.layout.renames().then(|| names::complete(path, begun, |name| self.given.contains_key(name)))
    }

    /// The entry of a path with its file open.
    pub(crate) fn open(&mut self, path: &Path) -> Result<&mut Entry> {
        self.uses += 1;
        self.make_room(path);
        let (uses, now, layout) = (self.uses, self.now, &self.layout);
        let entry = self.entries.get_mut(path).ok_or_else(|| moved(path))?;
        entry.used = uses;
        if entry.appender.as_ref().is_some_and(|file| !file.is_in_place()) {
            if layout.is_exact {
                return Err(moved(&entry.active));
            }
            entry.appender = None;
        }
        let is_new = entry.appender.is_none();
        let file = match &mut entry.appender {
            Some(file) => file,
            none => none.insert(Appender::open(&entry.active)?),
        };
        let found = file.found_length()?;
        if found == entry.length {
            return Ok(entry);
        }
        if layout.is_exact {
            return Err(if found < entry.length {
                shorter(&entry.active, found, entry.length)
            } else {
                foreign(&entry.active)
            });
        }
        file.repair(&layout.encoding)?;
        entry.length = file.length();
        if entry.length == 0 || is_new {
            entry.begun = now;
        }
        Ok(entry)
    }

    /// Closes the file that was used longest ago if one more would be too many. Everything in it is synced.
    fn make_room(&mut self, path: &Path) {
        if self.entries.get(path).is_some_and(|entry| entry.appender.is_some()) {
            return;
        }
        let is_open = |entry: &&mut Entry| entry.appender.is_some();
        if self.open_files() >= self.layout.max_open_files
            && let Some(oldest) = self.entries.values_mut().filter(is_open).min_by_key(|entry| entry.used)
        {
            oldest.appender = None;
        }
    }

    /// How many files are open.
    pub(crate) fn open_files(&self) -> usize {
        self.entries.values().filter(|entry| entry.appender.is_some()).count()
    }

    /// The files that the last batch wrote or could have been written by it, by path.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&PathBuf, &Entry)> {
        self.entries.iter()
    }

    /// Everything that is open now counts, although no batch has written it.
    pub(crate) fn all_recorded(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.is_recorded = true);
    }

    /// The time up to which batches were written.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let now = second(self.now);
        self.given.retain(|_, begun| second(*begun) >= now);
    }

    /// Remembers that readers know a file by this name, as long as another could get it.
    pub(crate) fn give(&mut self, name: PathBuf, begun: Timestamp) {
        if self.given.len() >= MOST_CLOSED {
            self.given.clear();
        }
        if second(begun) >= second(self.now) {
            self.given.insert(name, begun);
        }
    }

    /// What [`Store::give`] was told, for a restart within the same second.
    pub(crate) fn given(&self) -> &BTreeMap<PathBuf, Timestamp> {
        &self.given
    }
}

/// What names are told apart by.
fn second(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(1000)
}

fn opened(entry: &mut Entry) -> &mut Appender {
    entry.appender.as_mut().expect("it has just been opened")
}

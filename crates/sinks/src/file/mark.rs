//! What is remembered of exact files: the mark in the checkpoint, and the journal beside the files.
//!
//! The mark holds every file that the last window wrote, or that is still open, with its length; a file that was closed
//! since is final and leaves the mark. The journal holds the files that the next window writes and the mark does not
//! know of, each with its length before that.
//!
//! Invariant: no file gets a byte before mark or journal, durably, know its length.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluicebox_core::{Error, ErrorClass, Result, Timestamp};

use crate::file::fault::classify;
use crate::file::store::{Entry, Known};

/// What the checkpoint remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The path as the pipeline file has it.
    pub(crate) path: String,
    /// Tells this checkpoint from one that was deleted: a journal of another one does not count.
    #[serde(default)]
    pub(crate) life: String,
    /// How many windows were written.
    #[serde(default)]
    pub(crate) window: u64,
    /// Every file that may not be final yet.
    #[serde(default)]
    pub(crate) files: Vec<FileMark>,
    /// Names that were given to complete files in the last second, with the time when each was begun.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) given: BTreeMap<PathBuf, Timestamp>,
    /// The length of the one file, in marks of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

/// What the checkpoint remembers of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMark {
    path: PathBuf,
    /// Where it lies, if that is somewhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<PathBuf>,
    /// Where it will lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete: Option<PathBuf>,
    begun: Timestamp,
    length: u64,
}

impl Mark {
    /// A mark before the first window.
    pub(crate) fn new(path: String, life: String) -> Self {
        Self { path, life, ..Self::default() }
    }

    /// # Errors
    /// `State` if it is not a mark.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut mark: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::new(ErrorClass::State, "the checkpoint of a file sink cannot be read").with_cause(error)
        })?;
        if let Some(length) = mark.length.take() {
            let path = PathBuf::from(&mark.path);
            let begun = Timestamp::default();
            mark.files.push(FileMark { path, active: None, complete: None, begun, length });
        }
        Ok(mark)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("paths are made of text, and keys are names of fields")
    }
}

impl FileMark {
    pub(crate) fn new(path: &Path, entry: &Entry) -> Self {
        let active = Some(entry.active.clone()).filter(|active| active != path);
        let complete = entry.complete.clone();
        Self { path: path.to_owned(), active, complete, begun: entry.begun, length: entry.length }
    }

    /// The path that its events chose, and what is known of the file.
    pub(crate) fn into_known(self) -> (PathBuf, Known) {
        let active = self.active.unwrap_or_else(|| self.path.clone());
        (self.path, Known { active, complete: self.complete, begun: self.begun, length: self.length })
    }
}

/// The file that is written before a window writes to files that the mark does not know.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Page {
    life: String,
    /// The window before the one that it was written for.
    after: u64,
    files: Vec<Intent>,
}

#[derive(Serialize, Deserialize)]
struct Intent {
    active: PathBuf,
    length: u64,
    is_new: bool,
}

impl Journal {
    /// The journal of a sink, in the folder that its files do not leave.
    pub(crate) fn new(folder: &Path, pipeline: &str, sink: &str) -> Self {
        Self { path: folder.join(format!(".{pipeline}.{sink}.sluicebox-journal")) }
    }

    /// Remembers the files of the window after window `after`. What it held is of windows that are committed.
    pub(crate) fn record(&self, life: &str, after: u64, entries: &[&Entry]) -> Result<()> {
        let intent = |entry: &&Entry| Intent {
            active: entry.active.clone(),
            length: entry.length,
            is_new: !entry.active.exists(),
        };
        let page = Page { life: life.to_owned(), after, files: entries.iter().map(intent).collect() };
        let mut bytes = serde_json::to_vec(&page).expect("paths are made of text");
        bytes.push(b'\n');
        self.write(&bytes).map_err(|error| classify(error, "write", &self.path))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        sluicebox_durable::make(self.path.parent().unwrap_or(Path::new("")))?;
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        if is_new { sluicebox_durable::sync_name(&self.path) } else { Ok(()) }
    }

    /// Takes back what windows after the mark's have done to files that the mark does not know. `is_known`: whether a
    /// file is in the mark, which has cut it already.
    pub(crate) fn undo(&self, mark: &Mark, is_known: impl Fn(&Path) -> bool) -> Result<()> {
        let Some(page) = self.since(mark)? else { return Ok(()) };
        for intent in page.files.iter().filter(|intent| !is_known(&intent.active)) {
            undo(intent).map_err(|error| classify(error, "cut", &intent.active))?;
        }
        Ok(())
    }

    /// Whether a window after the mark's was to write at this place to a file that the mark does not know.
    pub(crate) fn has_begun(&self, mark: &Mark, active: &Path) -> Result<bool> {
        let page = self.since(mark)?;
        Ok(page.is_some_and(|page| page.files.iter().any(|intent| intent.active == active)))
    }

    fn since(&self, mark: &Mark) -> Result<Option<Page>> {
        let is_since = |page: &Page| page.life == mark.life && page.after >= mark.window;
        Ok(self.read()?.filter(is_since))
    }

    /// None if there is none, or if it was torn: then nothing was written after it.
    fn read(&self) -> Result<Option<Page>> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(bytes.ends_with(b"\n").then(|| serde_json::from_slice(&bytes).ok()).flatten()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(classify(error, "read", &self.path)),
        }
    }
}

fn undo(intent: &Intent) -> io::Result<()> {
    if intent.is_new {
        return sluicebox_durable::remove(&intent.active);
    }
    match OpenOptions::new().write(true).open(&intent.active) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) => cut(&file, intent.length),
    }
}

fn cut(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() > length {
        file.set_len(length)?;
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_an_earlier_version_is_understood() {
        let mark = Mark::read(br#"{"path":"a.jsonl","length":7}"#).unwrap();
        let (path, known) = mark.files[0].clone().into_known();
        assert_eq!((path.as_path(), known.length), (Path::new("a.jsonl"), 7));
        assert_eq!(known.active, path);
        assert_eq!(Mark::read(&mark.to_bytes()).unwrap(), mark);
        assert_eq!(Mark::read(b"junk").unwrap_err().class(), ErrorClass::State);
    }

    #[test]
    fn a_torn_journal_or_one_of_another_life_takes_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), "p", "s");
        let data = folder.path().join("data");
        std::fs::write(&data, "12345").unwrap();
        let page = |life: &str, after: u64| {
            let files = vec![Intent { active: data.clone(), length: 2, is_new: false }];
            serde_json::to_string(&Page { life: life.to_owned(), after, files }).unwrap()
        };
        let mark = Mark { life: "x".to_owned(), window: 4, ..Mark::default() };
        for torn in
            [page("x", 4), format!("{}\n", &page("x", 4)[1..]), page("y", 4) + "\n", page("x", 3) + "\n"]
        {
            std::fs::write(&journal.path, torn).unwrap();
            journal.undo(&mark, |_| false).unwrap();
            assert_eq!(std::fs::read(&data).unwrap(), b"12345");
        }
        std::fs::write(&journal.path, page("x", 4) + "\n").unwrap();
        journal.undo(&mark, |known| known == data).unwrap();
        assert_eq!(std::fs::read(&data).unwrap(), b"12345");
        journal.undo(&mark, |_| false).unwrap();
        assert_eq!(std::fs::read(&data).unwrap(), b"12");
    }
}

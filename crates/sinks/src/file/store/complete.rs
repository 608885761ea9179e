//! Files that are complete: renamed, or no longer looked after.
//!
//! Invariant: nothing that is there is replaced, and nothing is renamed that could still be taken back, or before it is
//! noted: from then on readers may take it away.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sluicebox_core::Result;

use super::{Entry, MOST_CLOSED, Notes, Store};
use crate::file::fault::{classify, foreign, moved};
use crate::file::names;

impl Store {
    /// Completes what is due, and forgets what has no handle: its length is final.
    pub(super) fn settle(&mut self, notes: &impl Notes) -> Result<()> {
        let (now, layout) = (self.now, &self.layout);
        let mut over = Vec::new();
        for (path, entry) in self.entries.iter().filter(|(_, entry)| entry.is_recorded) {
            let is_due = entry.complete.is_some() && layout.is_due(entry, now);
            // What has no byte yet may have had no handle yet.
            let is_closed = entry.appender.is_none() && (entry.length > 0 || layout.parts);
            if is_due || is_closed {
                over.push((path.clone(), is_due || layout.parts));
            }
        }
        self.note(over.iter().filter(|(_, is_complete)| *is_complete).map(|(path, _)| path), notes)?;
        for (path, is_complete) in over {
            if is_complete {
                self.complete(&path)?;
            }
            self.forget(&path);
        }
        Ok(())
    }

    /// Notes the files of these paths that will get a name.
    fn note<'p>(&self, paths: impl Iterator<Item = &'p PathBuf>, notes: &impl Notes) -> Result<()> {
        let named = |entry: &&Entry| entry.complete.is_some() && entry.length > 0;
        let entries: Vec<&Entry> = paths.filter_map(|path| self.entries.get(path)).filter(named).collect();
        if entries.is_empty() { Ok(()) } else { notes.before_naming(&entries) }
    }

    fn forget(&mut self, path: &Path) {
        if let Some(entry) = self.entries.remove(path) {
            if self.closed.len() >= MOST_CLOSED {
                self.closed.clear();
            }
            self.closed.insert(entry.active, entry.length);
        }
    }

    /// Gives a file the name of a complete one.
    fn complete(&mut self, path: &Path) -> Result<()> {
        let Some(entry) = self.entries.get_mut(path) else { return Ok(()) };
        let Some(complete) = entry.complete.clone() else { return Ok(()) };
        let begun = entry.begun;
        let failed = |error| classify(error, "rename", &entry.active);
        if entry.length == 0 {
            return sluicebox_durable::remove(&entry.active).map_err(failed);
        }
        match sluicebox_durable::rename(&entry.active, &complete) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.layout.is_exact {
                    Err(moved(&entry.active))
                } else {
                    Ok(())
                }
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if self.layout.is_exact {
                    return Err(foreign(&complete));
                }
                let another = names::complete(path, begun, |name| self.given.contains_key(name));
                sluicebox_durable::rename(&entry.active, &another).map_err(failed)?;
                self.give(another, begun);
                Ok(())
            }
            Err(error) => Err(failed(error)),
            Ok(()) => {
                self.give(complete, begun);
                Ok(())
            }
        }
    }

    /// Completes every part and lets go of all files: the sink stops, and everything counts.
    pub(crate) fn finish(&mut self, notes: &impl Notes) -> Result<()> {
        if self.layout.parts {
            let paths: Vec<PathBuf> = self.entries.keys().cloned().collect();
            self.note(paths.iter(), notes)?;
            for path in paths {
                self.complete(&path)?;
                self.forget(&path);
            }
        }
        self.let_go();
        Ok(())
    }
}

//! Files that are complete: renamed, or no longer looked after.
//!
//! Invariant: nothing that is there is replaced, and nothing is renamed that could still be taken back.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sluicebox_core::Result;

use super::{MOST_CLOSED, Store};
use crate::file::fault::{classify, foreign, moved};
use crate::file::names;

impl Store {
    /// Completes what is due, and forgets what has no handle: its length is final.
    pub(super) fn settle(&mut self) -> Result<()> {
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
        for (path, is_complete) in over {
            if is_complete {
                self.complete(&path)?;
            }
            self.forget(&path);
        }
        Ok(())
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
                let another = names::complete(path, entry.begun);
                sluicebox_durable::rename(&entry.active, &another).map_err(failed)
            }
            result => result.map_err(failed),
        }
    }

    /// Completes every part and lets go of all files: the sink stops, and everything counts.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.layout.parts {
            let paths: Vec<PathBuf> = self.entries.keys().cloned().collect();
            for path in paths {
                self.complete(&path)?;
                self.forget(&path);
            }
        }
        self.let_go();
        Ok(())
    }
}

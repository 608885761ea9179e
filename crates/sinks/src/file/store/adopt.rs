//! Files as a checkpoint knows them, taken up again at start.
//!
//! Invariant: what the checkpoint knows of is there, or was noted as complete, or the sink does not start.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sluicebox_core::{Result, Timestamp};

use super::{Entry, Store};
use crate::file::appender::Appender;
use crate::file::fault::{classify, shorter};

/// What a checkpoint knows of a file.
pub(crate) struct Known {
    pub(crate) active: PathBuf,
    pub(crate) complete: Option<PathBuf>,
    pub(crate) begun: Timestamp,
    pub(crate) length: u64,
}

impl Store {
    /// Takes back a file as a checkpoint knows it; what came after that is cut off.
    pub(crate) fn adopt(&mut self, path: &Path, known: &Known) -> Result<()> {
        if let Some(complete) = known.complete.as_deref().filter(|complete| complete.exists()) {
            // It was completed after the checkpoint, which is right: everything in it counts.
            self.give(complete.to_owned(), known.begun);
            return cut_back(complete, known.length).map(drop);
        }
        if !known.active.exists() {
            let is_missing = known.length > 0;
            return if is_missing { Err(shorter(&known.active, 0, known.length)) } else { Ok(()) };
        }
        self.make_room(path);
        let file = cut_back(&known.active, known.length)?;
        let is_part = known.active != path;
        if is_part != self.layout.parts {
            // The pipeline file has changed: what was begun as a part is completed, what was not stays what it is.
            let complete = known.complete.as_deref().filter(|_| is_part && known.length > 0);
            return complete.map_or(Ok(()), |complete| rename(&known.active, complete));
        }
        file.check_beginning(&self.layout.encoding)?;
        let complete = match &known.complete {
            Some(complete) => Some(complete.clone()).filter(|_| self.layout.renames()),
            None => self.name_for(path, known.begun),
        };
        let is_recorded = complete == known.complete;
        let entry = Entry {
            appender: Some(file),
            active: known.active.clone(),
            complete,
            begun: known.begun,
            length: known.length,
            used: self.uses,
            is_recorded,
        };
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// Lets go of a file that was noted as complete: gives it its name, if that has yet to be done. If it is nowhere, a
    /// reader has taken it. `is_begun`: whether another file was begun where it lay.
    pub(crate) fn release(&mut self, path: &Path, known: &Known, is_begun: bool) -> Result<()> {
        let Some(complete) = known.complete.as_deref() else { return Ok(()) };
        self.give(complete.to_owned(), known.begun);
        if complete.exists() {
            return cut_back(complete, known.length).map(drop);
        }
        // An empty file at the path is a new one: it is made at start, before anything is noted of it.
        let is_new = |length: u64| is_begun || (known.active == path && length == 0);
        match known.active.metadata() {
            Ok(found) if !is_new(found.len()) => {
                let _locked = cut_back(&known.active, known.length)?;
                rename(&known.active, complete)
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(classify(error, "look at", &known.active))
            }
            _ => Ok(()),
        }
    }
}

fn rename(active: &Path, complete: &Path) -> Result<()> {
    sluicebox_durable::rename(active, complete).map_err(|error| classify(error, "rename", active))
}

fn cut_back(path: &Path, length: u64) -> Result<Appender> {
    let mut file = Appender::open(path)?;
    if file.length() < length {
        return Err(shorter(path, file.length(), length));
    }
    if file.length() > length {
        file.cut_to(length)?;
    }
    Ok(file)
}

//! The open files of one sink: few handles for any number of paths, and batches that are written whole or not at all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sluicebox_core::Error;

use crate::file::appender::Appender;

/// Most files that one sink holds open.
pub(crate) const MAX_OPEN_FILES: usize = 64;

/// Open files by path, with the moment of their last use.
#[derive(Default)]
pub(crate) struct Files {
    open: HashMap<PathBuf, (u64, Appender)>,
    uses: u64,
    /// Where the files of the last batch ended before it.
    before_last: Vec<(PathBuf, u64)>,
}

impl Files {
    /// Appends the bytes of every path and syncs them: all of them, or none.
    pub(crate) fn append(&mut self, groups: &[(PathBuf, Vec<u8>)]) -> Result<(), Error> {
        self.before_last.clear();
        for (path, bytes) in groups {
            if let Err(error) = self.append_one(path, bytes) {
                // The batch comes again whole. If a file cannot be cut now, its lines come twice.
                let _ = self.undo_last();
                return Err(error);
            }
        }
        Ok(())
    }

    fn append_one(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let file = self.file(path)?;
        let found = file.found_length()?;
        file.accept_length(found);
        file.append(bytes)?;
        self.before_last.push((path.to_owned(), found));
        Ok(())
    }

    /// Takes the last batch out of its files again.
    pub(crate) fn undo_last(&mut self) -> Result<(), Error> {
        while let Some((path, length)) = self.before_last.pop() {
            self.file(&path)?.cut_to(length)?;
        }
        Ok(())
    }

    /// The open file at a path: opened, and its torn last line cut off, if it was not open or has been rotated away.
    fn file(&mut self, path: &Path) -> Result<&mut Appender, Error> {
        self.uses += 1;
        if self.open.get(path).is_some_and(|(_, file)| !file.is_in_place()) {
            self.open.remove(path);
        }
        if !self.open.contains_key(path) {
            self.make_room();
            let mut file = Appender::open(path)?;
            file.cut_torn_line()?;
            self.open.insert(path.to_owned(), (self.uses, file));
        }
        let (used, file) = self.open.get_mut(path).expect("it was there or has just been put there");
        *used = self.uses;
        Ok(file)
    }

    /// Closes the file that was used longest ago if there are too many. Everything in it is synced.
    fn make_room(&mut self) {
        if self.open.len() >= MAX_OPEN_FILES {
            let oldest = self.open.iter().min_by_key(|(_, (used, _))| *used).map(|(path, _)| path.clone());
            oldest.and_then(|path| self.open.remove(&path));
        }
    }

    /// How many files are open.
    #[cfg(test)]
    pub(crate) fn open_files(&self) -> usize {
        self.open.len()
    }
}

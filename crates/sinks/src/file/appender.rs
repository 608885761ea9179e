//! One open file that only grows by whole batches.
//!
//! Invariant: `length` is the last offset up to which everything is whole and synced; bytes beyond it are cut off before
//! the next write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sluicebox_core::{Error, ErrorClass};

use crate::file::fault::classify;
use crate::file::folders;

/// A file that belongs to this sink while it is open.
pub(crate) struct Appender {
    file: File,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    identity: (u64, u64),
    length: u64,
    /// Whether bytes beyond `length` may be there.
    dirty: bool,
}

impl Appender {
    /// Opens or makes the file and takes its lock.
    ///
    /// # Errors
    /// Retryable while somebody else holds the lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| classify(error, "open", path);
        folders::make(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        // A file system without locks answers something else: then the documentation is the lock.
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            let message = format!("another sink or process writes to {}", path.display());
            return Err(Error::transient(message).with_help("give every sink a file of its own"));
        }
        if is_new {
            folders::sync_name(path).map_err(failed)?;
        }
        let metadata = file.metadata().map_err(failed)?;
        let identity = (metadata.dev(), metadata.ino());
        Ok(Self { file, path: path.to_owned(), identity, length: metadata.len(), dirty: false })
    }

    /// The length up to which everything is whole and synced.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the path still leads to this file: it may have been rotated away.
    pub(crate) fn is_in_place(&self) -> bool {
        let found = std::fs::metadata(&self.path);
        found.is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }

    /// The length as the file system has it, unless a failed write of our own has changed it.
    pub(crate) fn found_length(&self) -> Result<u64, Error> {
        if self.dirty {
            return Ok(self.length);
        }
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.failed(error))
    }

    /// Takes the length as it is, after somebody else has changed it.
    pub(crate) fn accept_length(&mut self, length: u64) {
        self.length = length;
    }

    /// Cuts off a last line that has no end.
    ///
    /// # Errors
    /// `Config` if the file does not end in something that this sink could have begun: then it is not ours to cut.
    pub(crate) fn cut_torn_line(&mut self) -> Result<(), Error> {
        let (end_of_lines, first) = self.last_line_end().map_err(|error| self.failed(error))?;
        match first {
            None => Ok(()),
            // A crash can leave zeros where the line should be.
            Some(b'{' | 0) => self.cut_to(end_of_lines),
            Some(_) => {
                let message = format!("the file {} does not end in a JSON line", self.path.display());
                Err(Error::new(ErrorClass::Config, message)
                    .with_help("choose another path, or end its last line with a line break"))
            }
        }
    }

    /// The offset after the last line break, and the first byte after it if there is one.
    fn last_line_end(&self) -> io::Result<(u64, Option<u8>)> {
        const CHUNK_BYTES: u64 = 64 << 10;
        let mut chunk = Vec::new();
        let mut first = None;
        let mut end = self.length;
        while end > 0 {
            let start = end.saturating_sub(CHUNK_BYTES);
            chunk.resize(usize::try_from(end - start).unwrap_or(usize::MAX), 0);
            self.file.read_exact_at(&mut chunk, start)?;
            if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
                return Ok((start + at as u64 + 1, chunk.get(at + 1).copied().or(first)));
            }
            first = chunk.first().copied();
            end = start;
        }
        Ok((0, first))
    }

    /// Cuts the file to `length` bytes, durably.
    pub(crate) fn cut_to(&mut self, length: u64) -> Result<(), Error> {
        self.dirty = true;
        self.length = length;
        self.clean().map_err(|error| self.failed(error))
    }

    /// Cuts off what a failed write has left.
    fn clean(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.set_len(self.length)?;
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Appends bytes and syncs them; a failure leaves nothing of them behind.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let attempt = |this: &mut Self| -> io::Result<()> {
            this.clean()?;
            this.dirty = true;
            this.file.write_all(bytes)?;
            this.file.sync_data()?;
            this.dirty = false;
            this.length += bytes.len() as u64;
            Ok(())
        };
        attempt(self).map_err(|error| {
            // If this fails too, the next append begins with it.
            let _ = self.clean();
            self.failed(error)
        })
    }

    fn failed(&self, error: io::Error) -> Error {
        classify(error, "write to", &self.path)
    }
}

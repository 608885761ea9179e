//! One open file that only grows by whole batches.
//!
//! Invariant: `length` is the last offset up to which everything is whole and synced; bytes beyond it are cut off before
//! the next write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sluicebox_core::{Error, Timestamp};

use crate::file::encoding::Encoding;
use crate::file::fault::classify;

/// A file that belongs to this sink while it is open.
#[derive(Debug)]
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
        sluicebox_durable::make(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        // A file system without locks answers something else: then the documentation is the lock.
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            let message = format!("another sink or process writes to {}", path.display());
            return Err(Error::transient(message).with_help("give every sink a file of its own"));
        }
        if is_new {
            sluicebox_durable::sync_name(path).map_err(failed)?;
        }
        let metadata = file.metadata().map_err(failed)?;
        let identity = (metadata.dev(), metadata.ino());
        let opened = Self { file, path: path.to_owned(), identity, length: metadata.len(), dirty: false };
        if !opened.is_in_place() {
            let message = format!("the file {} was moved while it was opened", path.display());
            return Err(Error::transient(message));
        }
        Ok(opened)
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

    /// Takes the file as it is found, but for a last piece that is torn.
    ///
    /// # Errors
    /// `Config` if the file is not one that this sink could have begun: then it is not ours to cut.
    pub(crate) fn repair(&mut self, encoding: &Encoding) -> Result<(), Error> {
        self.length = self.found_length()?;
        let whole = encoding.whole_length(&self.file, self.length, &self.path)?;
        if whole < self.length { self.cut_to(whole) } else { Ok(()) }
    }

    /// Whether the file begins as ours do.
    ///
    /// # Errors
    /// `Config` if it does not.
    pub(crate) fn check_beginning(&self, encoding: &Encoding) -> Result<(), Error> {
        encoding.check_beginning(&self.file, self.length, &self.path)
    }

    /// When the file was begun, as far as the file system knows.
    pub(crate) fn begun(&self) -> Option<Timestamp> {
        let metadata = self.file.metadata().ok()?;
        let begun = metadata.created().or_else(|_| metadata.modified()).ok()?;
        let since = begun.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
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

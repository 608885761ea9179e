//! The lock of a pipeline's state: at most one instance runs a pipeline with one state folder.
//!
//! The lock is the kernel's (`flock`), so it ends with the process however that dies. The file's text is for people
//! and for one check: it says that a state was made here, so that a vanished `state.db` is not taken for a first start.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::OpenError;
use crate::folder::private_file;

/// The line of the lock file that remembers that a state exists.
const STATE_EXISTS: &str = "state.db exists";

/// The held lock; letting go of it frees the pipeline.
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
    state_existed: bool,
}

impl Lock {
    /// Takes the lock file at `path`, making it if needed.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let mut file = private_file().open(path).map_err(OpenError::io(path))?;
        let held = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let mut text = String::new();
        // Whatever else the file holds, it only costs the name of the holder and the vanished-file check.
        let _ = file.read_to_string(&mut text);
        match held {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(OpenError::Locked { path: path.to_owned(), holder: holder(&text) });
            }
            Err(errno) => return Err(OpenError::Io { path: path.to_owned(), source: errno.into() }),
        }
        let mut lock = Self { file, path: path.to_owned(), state_existed: says_state_exists(&text) };
        lock.write(lock.state_existed)?;
        Ok(lock)
    }

    /// Whether a state was made here before.
    pub(crate) fn state_existed(&self) -> bool {
        self.state_existed
    }

    /// Remembers that a state exists now.
    pub(crate) fn remember_state(&mut self) -> Result<(), OpenError> {
        if !self.state_existed {
            self.write(true)?;
            self.state_existed = true;
        }
        Ok(())
    }

    fn write(&mut self, state_exists: bool) -> Result<(), OpenError> {
        let marker = if state_exists { format!("{STATE_EXISTS}\n") } else { String::new() };
        let text = format!("{marker}pid {}\n", std::process::id());
        let mut write = || -> std::io::Result<()> {
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)?;
            // The name of the holder need not outlive a power failure, that a state was made must.
            if state_exists && !self.state_existed { self.file.sync_all() } else { Ok(()) }
        };
        write().map_err(OpenError::io(&self.path))
    }
}

/// Whether somebody holds the lock file at `path`.
pub(crate) fn is_held(path: &Path) -> Result<bool, OpenError> {
    if !path.exists() {
        return Ok(false);
    }
    let file = private_file().open(path).map_err(OpenError::io(path))?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(OpenError::Io { path: path.to_owned(), source: errno.into() }),
    }
}

/// Whether the text of a lock file says that a state was made.
pub(crate) fn says_state_exists(text: &str) -> bool {
    text.lines().any(|line| line == STATE_EXISTS)
}

fn holder(text: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix("pid "))?.parse().ok()
}

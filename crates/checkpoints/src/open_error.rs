//! Why the state of a pipeline could not be opened, as cases that decide the exit code.

use std::io;
use std::path::{Path, PathBuf};

/// Why a state was not opened. `Locked` is exit code 75, all others 78.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance runs this pipeline with this state.
    #[error("another instance{} holds the lock {}", holder_text(*holder), path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as far as it is known.
        holder: Option<u32>,
    },
    /// The state is torn, flipped, cut off, missing or not ours.
    #[error("the state in {} cannot be used: {detail}", path.display())]
    Unreadable {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it, one clause.
        detail: String,
    },
    /// A newer Sluicebox wrote the state.
    #[error("the state in {} has format {found}, this version reads up to {known}", path.display())]
    Newer {
        /// The state file.
        path: PathBuf,
        /// The format of the file.
        found: u64,
        /// The newest format that this version reads.
        known: u64,
    },
    /// The operating system refused: permissions, a full disk.
    #[error("cannot open the state in {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl OpenError {
    /// A file that cannot be trusted.
    pub(crate) fn unreadable(path: &Path, detail: impl Into<String>) -> Self {
        Self::Unreadable { path: path.to_owned(), detail: detail.into() }
    }

    /// A refusal of the operating system, for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }

    /// What the person at the keyboard can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Locked { .. } => {
                "stop the other instance first, or give this one its own --state-dir".to_owned()
            }
            Self::Unreadable { path, .. } => {
                let folder = path.parent().unwrap_or(path).display();
                format!(
                    "put a backup of {folder} back; or move that folder away to start as new: the sources begin at \
                     their `start:` again and sinks without transactions receive those events a second time"
                )
            }
            Self::Newer { .. } => "run the version of Sluicebox that wrote it, or a later one".to_owned(),
            Self::Io { .. } => {
                "make the folder writable for this user, or choose another --state-dir".to_owned()
            }
        }
    }
}

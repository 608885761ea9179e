//! The folder of a pipeline's state: its files, their permissions, and what can be said of them without SQLite.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use crate::OpenError;
use crate::lock::says_state_exists;

/// Paths of one pipeline's state.
#[derive(Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// `DIR/<pipeline>`; the name must be one plain path component.
    pub(crate) fn of(dir: &Path, pipeline: &str) -> Result<Self, OpenError> {
        let mut components = Path::new(pipeline).components();
        let plain = matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none();
        if !plain {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a name that a folder can have");
            return Err(OpenError::Io { path: dir.join(pipeline), source });
        }
        Ok(Self { path: dir.join(pipeline) })
    }

    /// Makes the folder, 0700, and tightens one that exists.
    pub(crate) fn make(&self) -> Result<(), OpenError> {
        let make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
            std::fs::set_permissions(&self.path, Permissions::from_mode(0o700))
        };
        make().map_err(OpenError::io(&self.path))
    }

    /// Makes renames and new files in the folder durable.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(OpenError::io(&self.path))
    }

    /// The state itself.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state.db")
    }

    /// A state in the making: it gets its name when it is whole.
    pub(crate) fn new_state(&self) -> PathBuf {
        self.path.join("state.db.new")
    }

    /// SQLite's write-ahead log.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join("state.db-wal")
    }

    /// What people ask for with dead letters, beside an instance that may be running.
    pub(crate) fn requests(&self) -> PathBuf {
        self.path.join("requests.jsonl")
    }

    /// The lock.
    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Whether something says that a state was here although the file is not: it must not be made anew.
    pub(crate) fn remembers_state(&self) -> bool {
        self.wal().exists() || std::fs::read_to_string(self.lock()).is_ok_and(|text| says_state_exists(&text))
    }

    /// Refuses a state that was cut off: SQLite takes an empty file for a new database, and every committed cursor
    /// would vanish in silence.
    ///
    /// Only the length is looked at: to close a handle of our own on a database file would drop the locks that SQLite
    /// holds on it in this process.
    pub(crate) fn check_length(&self) -> Result<(), OpenError> {
        const SMALLEST_DATABASE_BYTES: u64 = 512;
        let path = self.state();
        let length = std::fs::metadata(&path).map_err(OpenError::io(&path))?.len();
        match length {
            0 => Err(OpenError::unreadable(&path, "the file is empty")),
            1..SMALLEST_DATABASE_BYTES => Err(OpenError::unreadable(&path, "the file is cut off")),
            _ => Ok(()),
        }
    }

    /// The error for a state that was here and is gone.
    pub(crate) fn vanished(&self) -> OpenError {
        OpenError::unreadable(&self.state(), "the file is missing, but it was made here before")
    }
}

/// Options for a file that only its owner may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

/// The names of all pipelines that have a state under `dir`, sorted; empty if there is no such folder.
pub fn pipelines(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("state.db").exists() || entry.path().join("lock").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

//! The one writer of a database file in this process: SQLite takes one write transaction at a time, so sinks on one
//! file take turns on one connection instead of colliding.
//!
//! Turns that queue share one transaction and one COMMIT, which is what a turn costs most: whoever finds nobody behind
//! him commits for all. Invariants: nobody is told that his turn is kept before the COMMIT that holds it has returned; a
//! turn that fails is undone alone.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sluicebox_core::{Error, ErrorClass};

use crate::fault::classify;
use crate::group::{Outcome, Turns};

/// How long SQLite waits for another process that writes.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Page size of a database that is made here: rows are appended and read in long runs. One that exists keeps its own.
const PAGE_BYTES: u32 = 16 << 10;

/// Pages in the write-ahead log before they are moved into the database: a backlog moves them in few long runs.
const LOG_PAGES: u32 = 4000;

/// Statements that stay prepared: an insert for each table and sink, and those of the ledger.
const STATEMENTS: usize = 64;

/// Writers by canonical path, as long as a sink uses them.
static WRITERS: Mutex<BTreeMap<PathBuf, Weak<Writer>>> = Mutex::new(BTreeMap::new());

/// A connection that changes one database.
pub(crate) struct Writer {
    path: PathBuf,
    turns: Turns,
    /// Device and inode of the file that was opened.
    identity: (u64, u64),
}

impl Writer {
    /// The writer of the database at `path`; makes the file and its folders if needed. Blocking.
    ///
    /// # Errors
    /// `Config` for a path that cannot be one, otherwise retryable, or `State` for what is not a database.
    pub(crate) fn of(path: &Path) -> Result<Arc<Self>, Error> {
        let canonical = canonical(path)?;
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        writers.retain(|_, writer| writer.strong_count() > 0);
        let known = writers.get(&canonical).and_then(Weak::upgrade);
        if let Some(writer) = known.filter(|writer| writer.is_in_place()) {
            return Ok(writer);
        }
        let writer = Arc::new(Self::open(canonical.clone())?);
        writers.insert(canonical, Arc::downgrade(&writer));
        Ok(writer)
    }

    fn open(path: PathBuf) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_WAIT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| classify(error, "open", &path))?;
        let identity = identity(&path).map_err(|error| unreachable_path(error, &path))?;
        Ok(Self { turns: Turns::new(connection, path.clone()), path, identity })
    }

    /// Where the database lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in a write transaction, and keeps what it did if it says so: then it is durable. Blocking.
    ///
    /// # Errors
    /// What `work` failed with, or a refusal to begin or commit; nothing of it is written then.
    pub(crate) fn transact<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Outcome<T>, Error>,
    ) -> Result<T, Error> {
        self.turns.take(|connection| {
            if !self.is_in_place() {
                let message = format!("the database {} was removed while it was in use", self.path.display());
                return Err(Error::new(ErrorClass::State, message)
                    .with_help("put it back, or start again to begin with an empty one"));
            }
            work(connection)
        })
    }

    /// Whether the path still leads to the file that was opened: writes to a file that was removed would be lost.
    fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|identity| identity == self.identity)
    }
}

/// The one name of a file that may not exist yet; makes the folders above it.
fn canonical(path: &Path) -> Result<PathBuf, Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let resolve = || {
        std::fs::create_dir_all(folder)?;
        if path.exists() {
            path.canonicalize()
        } else {
            Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
        }
    };
    let resolved = resolve().map_err(|error| unreachable_path(error, path))?;
    if resolved.is_dir() {
        return Err(Error::config(format!("{} is a folder, not a database", path.display())));
    }
    Ok(resolved)
}

pub(crate) fn unreachable_path(error: std::io::Error, path: &Path) -> Error {
    let message = format!("cannot reach the database {}", path.display());
    let class = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            ErrorClass::Config
        }
        _ => ErrorClass::Transient,
    };
    Error::new(class, message).with_cause(error)
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

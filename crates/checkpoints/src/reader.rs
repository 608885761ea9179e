//! Reads the state of a pipeline without its lock, beside an instance that may be running.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use sluicebox_core::{Cursor, Error, State, Timestamp};

use crate::fault::Fault;
use crate::folder::Folder;
use crate::store::connect;
use crate::{OpenError, StoredDeadLetter, dead_letters, records, schema};

/// A read-only view; every call sees one commit whole. Blocking.
pub struct StateReader {
    connection: Connection,
    path: PathBuf,
    pipeline: String,
}

/// One line of `cursor show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CursorRow {
    /// The pipeline's name.
    pub pipeline: String,
    /// The source component's name.
    pub source: String,
    /// The account.
    pub account: String,
    /// The saved cursor as text; `null` where the source has none yet.
    pub cursor: Option<Cursor>,
    /// Sequence number of the safe cursor.
    pub safe_seq: u64,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Why the partition is paused, if it is.
    pub paused: Option<String>,
}

impl StateReader {
    /// Opens the state of a pipeline for reading; `None` if it has none.
    ///
    /// # Errors
    /// [`OpenError`] if there is a state that cannot be read. Never `Locked`.
    pub fn open(dir: &Path, pipeline: &str) -> Result<Option<Self>, OpenError> {
        let folder = Folder::of(dir, pipeline)?;
        let path = folder.state();
        if !path.exists() {
            return if folder.remembers_state() { Err(folder.vanished()) } else { Ok(None) };
        }
        folder.check_length()?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::check(&connection, &path)?;
        Ok(Some(Self { connection, path, pipeline: pipeline.to_owned() }))
    }

    /// Everything but the dead letters.
    ///
    /// # Errors
    /// `State` if the records are damaged.
    pub fn state(&self) -> Result<State, Error> {
        self.read("load", |connection| records::load(connection).map(|(_, state)| state))
    }

    /// The cursors, by source and account.
    ///
    /// # Errors
    /// As [`StateReader::state`].
    pub fn cursors(&self) -> Result<Vec<CursorRow>, Error> {
        let partitions = self.state()?.partitions.into_iter();
        let row = |record: sluicebox_core::PartitionRecord| CursorRow {
            pipeline: self.pipeline.clone(),
            source: record.source.into(),
            account: record.partition.into(),
            cursor: record.cursor.map(Cursor::new),
            safe_seq: record.safe_seq,
            committed_at: record.committed_at,
            paused: record.paused.map(String::from),
        };
        Ok(partitions.map(row).collect())
    }

    /// Visits every dead letter, oldest first, one at a time in memory.
    ///
    /// # Errors
    /// `State` if one of them is damaged; those before it were visited.
    pub fn each_dead_letter(&self, mut visit: impl FnMut(StoredDeadLetter)) -> Result<(), Error> {
        self.read("read a dead letter of", |connection| {
            dead_letters::each(connection, &self.pipeline, &mut visit)
        })
    }

    /// All dead letters, oldest first.
    ///
    /// # Errors
    /// `State` if one of them is damaged.
    pub fn dead_letters(&self) -> Result<Vec<StoredDeadLetter>, Error> {
        let mut letters = Vec::new();
        self.each_dead_letter(|letter| letters.push(letter))?;
        Ok(letters)
    }

    /// The dead letter with this id.
    ///
    /// # Errors
    /// `State` if it is damaged.
    pub fn dead_letter(&self, id: &str) -> Result<Option<StoredDeadLetter>, Error> {
        self.read("read a dead letter of", |connection| dead_letters::find(connection, &self.pipeline, id))
    }

    /// One read transaction: a commit beside us is seen whole or not at all.
    fn read<T>(&self, attempt: &str, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Error> {
        let read = || -> Result<T, Fault> {
            let transaction = self.connection.unchecked_transaction()?;
            let found = work(&transaction)?;
            transaction.commit()?;
            Ok(found)
        };
        read().map_err(|fault| fault.into_error(attempt, &self.path))
    }
}

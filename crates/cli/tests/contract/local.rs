//! Destinations on this machine's disk: SQLite, read back by the sqlite3 tool's own library, and files.

use std::path::PathBuf;

use crate::contract;
use sluicebox_testkit::contract::{Destination, Promise, Refused};

/// A SQLite database in a folder of its own.
pub(crate) struct Sqlite {
    folder: tempfile::TempDir,
}

impl Sqlite {
    fn new() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap() })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.db")
    }
}

impl Destination for Sqlite {
    fn options(&self) -> String {
        format!("type: sqlite, path: \"{}\", table: events", self.path().display())
    }

    fn promise(&self) -> Promise {
        Promise::ExactlyOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare("SELECT event FROM events ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// A table whose constraint one event breaks.
    fn refused(&self) -> Option<Refused> {
        let names = "_event_id, _source, _account, _type, _event_time, _received_at, _loaded_at, _pipeline";
        let check = "event TEXT CHECK (json_extract(event, '$.data.n') <> 'many')";
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.execute_batch(&format!("CREATE TABLE events ({names}, {check})")).unwrap();
        Some(Refused { data: r#"{"n":"many"}"#.to_owned(), options: String::new(), reason: "rejected" })
    }
}

/// A file, with or without the promise.
pub(crate) struct File {
    folder: tempfile::TempDir,
    promise: Promise,
}

impl File {
    fn new(promise: Promise) -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().unwrap(), promise })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("out.jsonl")
    }
}

impl Destination for File {
    fn options(&self) -> String {
        let delivery = match self.promise {
            Promise::ExactlyOnce => "exactly_once",
            Promise::AtLeastOnce => "at_least_once",
        };
        format!("type: file, path: \"{}\", delivery: {delivery}", self.path().display())
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn arrived(&mut self) -> Vec<String> {
        std::fs::read_to_string(self.path()).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

contract!(sqlite, Sqlite::new(), [whole, killed, stopped_and_resumed, rejected, taken_over]);
contract!(exact_file, File::new(Promise::ExactlyOnce), [whole, killed, stopped_and_resumed]);
contract!(plain_file, File::new(Promise::AtLeastOnce), [whole, killed, stopped_and_resumed]);

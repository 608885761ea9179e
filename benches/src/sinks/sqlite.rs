//! SQLite: a loop over `rusqlite`, against the `sqlite` sink.
//!
//! Both sides: nine columns, write-ahead log, `synchronous = FULL`, pages of 16 KiB, a checkpoint every 4000 pages. The loop:
//! BEGIN IMMEDIATE, 1000 times one prepared INSERT, upsert of one position, COMMIT.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::Destination;
use super::events::{self, Prepared, Ready};
use crate::Outcome;

const TABLES: &str = "CREATE TABLE events (_event_id TEXT, _source TEXT, _account TEXT, _type TEXT, _event_time TEXT, \
         _received_at TEXT, _loaded_at TEXT, _pipeline TEXT, event TEXT); \
     CREATE TABLE positions (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID";

/// A moment as the program writes it, 24 bytes.
const MOMENT: &str = "2026-06-12T10:00:04.120Z";

/// A database in the folder where the program runs.
pub(crate) struct Sqlite {
    folder: PathBuf,
}

impl Sqlite {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn open(&self) -> Outcome<Connection> {
        let connection = Connection::open(self.folder.join("out.db"))?;
        connection.pragma_update(None, "page_size", 16 << 10)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        Ok(connection)
    }
}

impl Destination for Sqlite {
    fn make(&mut self) -> Outcome {
        Ok(())
    }

    fn sink(&self) -> String {
        "{ type: sqlite, inputs: [feed], path: out.db, table: events }".to_owned()
    }

    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome {
        let connection = self.open()?;
        connection.execute_batch(TABLES)?;
        let mut insert =
            connection.prepare("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        let mut position = connection.prepare(
            "INSERT INTO positions VALUES ('feed', ?1) ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
        )?;
        for (count, window) in events.windows(total) {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for Ready { id, json, .. } in &*window {
                let (source, kind, pipeline) = (events::SOURCE, events::EVENT_TYPE, events::PIPELINE);
                insert.execute(params![
                    id,
                    source,
                    "",
                    kind,
                    MOMENT,
                    MOMENT,
                    MOMENT,
                    pipeline,
                    json.get()
                ])?;
            }
            position.execute([i64::try_from(count)?])?;
            connection.execute_batch("COMMIT")?;
            note(count);
        }
        Ok(())
    }

    fn count(&mut self) -> Outcome<u64> {
        Ok(self
            .open()?
            .query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0))?
            .try_into()?)
    }

    fn remove(&mut self) -> Outcome {
        for name in ["out.db", "out.db-wal", "out.db-shm"] {
            let path = self.folder.join(name);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

//! The tables of a state file and how a new one comes to be.
//!
//! A new file is made under another name and renamed when it is whole, so that a `state.db` without tables is always
//! damage and never an interrupted first start.

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::OpenError;
use crate::fault::Fault;
use crate::folder::{Folder, private_file};
use crate::head::Head;

/// The format that this version writes and the newest that it reads.
pub(crate) const FORMAT: u64 = 2;

/// How many of the tables the first format had.
const TABLES_OF_FORMAT_1: usize = 6;

/// Tables by name. What `sqlite_master` holds must be exactly this text: a byte that flips in a declaration could
/// change what a column means.
const TABLES: [(&str, &str); 7] = [
    ("format", "CREATE TABLE format (id INTEGER PRIMARY KEY, version INTEGER NOT NULL) STRICT"),
    (
        "head",
        "CREATE TABLE head (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, generation INTEGER NOT NULL, \
         records INTEGER NOT NULL, records_sum INTEGER NOT NULL, letters INTEGER NOT NULL, \
         letters_sum INTEGER NOT NULL, letters_made INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT",
    ),
    (
        "partitions",
        "CREATE TABLE partitions (source TEXT NOT NULL, account TEXT NOT NULL, epoch INTEGER NOT NULL, \
         safe_seq INTEGER NOT NULL, cursor BLOB, committed_at INTEGER NOT NULL, newest_event INTEGER, paused TEXT, \
         floor_epoch INTEGER NOT NULL, generation INTEGER NOT NULL, crc INTEGER NOT NULL, \
         PRIMARY KEY (source, account)) STRICT, WITHOUT ROWID",
    ),
    (
        "sinks",
        "CREATE TABLE sinks (sink TEXT NOT NULL, mark BLOB, generation INTEGER NOT NULL, crc INTEGER NOT NULL, \
         PRIMARY KEY (sink)) STRICT, WITHOUT ROWID",
    ),
    (
        "positions",
        "CREATE TABLE positions (sink TEXT NOT NULL, source TEXT NOT NULL, account TEXT NOT NULL, \
         epoch INTEGER NOT NULL, safe_seq INTEGER NOT NULL, safe_cursor BLOB, ahead TEXT NOT NULL, \
         generation INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (sink, source, account)) \
         STRICT, WITHOUT ROWID",
    ),
    (
        "dead_letters",
        "CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, time INTEGER NOT NULL, \
         component TEXT NOT NULL, event_id TEXT NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL, \
         error TEXT NOT NULL, meta TEXT NOT NULL, event BLOB NOT NULL, UNIQUE (component, event_id)) STRICT",
    ),
    (
        "memories",
        "CREATE TABLE memories (source TEXT NOT NULL, account TEXT NOT NULL, component TEXT NOT NULL, \
         key TEXT NOT NULL, value BLOB NOT NULL, until INTEGER, written INTEGER NOT NULL, \
         generation INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (source, account, component, key)) \
         STRICT, WITHOUT ROWID",
    ),
];

/// Makes an empty state and gives it its name.
pub(crate) fn create(folder: &Folder) -> Result<(), OpenError> {
    let path = folder.new_state();
    // A journal that an interrupted start left behind would be played into the new file.
    for leftover in ["state.db.new", "state.db.new-journal", "state.db.new-wal", "state.db.new-shm"] {
        let leftover = path.with_file_name(leftover);
        match std::fs::remove_file(&leftover) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Io { path: leftover, source: error }),
        }
    }
    private_file().open(&path).map_err(OpenError::io(&path))?;
    fill(&path).map_err(|fault| fault.into_open_error(&path))?;
    let state = folder.state();
    std::fs::rename(&path, &state).map_err(OpenError::io(&state))?;
    folder.sync()
}

fn fill(path: &std::path::Path) -> Result<(), Fault> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    for (_, sql) in TABLES {
        transaction.execute_batch(sql)?;
    }
    transaction.execute("INSERT INTO format (id, version) VALUES (1, ?1)", [FORMAT.cast_signed()])?;
    Head::default().write(&transaction)?;
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Brings a file of an earlier format up to date; any other is left alone.
pub(crate) fn upgrade(connection: &mut Connection) -> Result<(), Fault> {
    if version(connection)? != Some(1) || !has_tables(connection, &TABLES[..TABLES_OF_FORMAT_1])? {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for (_, sql) in &TABLES[TABLES_OF_FORMAT_1..] {
        transaction.execute_batch(sql)?;
    }
    transaction.execute("UPDATE format SET version = ?1 WHERE id = 1", [FORMAT.cast_signed()])?;
    Ok(transaction.commit()?)
}

/// Refuses a file whose format or tables are not ours.
pub(crate) fn check(connection: &Connection, path: &std::path::Path) -> Result<(), OpenError> {
    let broken = |detail: &str| OpenError::unreadable(path, detail);
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(|error| Fault::from(error).into_open_error(path))?;
    if mode != "wal" {
        return Err(broken("the header of the file is damaged"));
    }
    let version = version(connection).map_err(|error| Fault::from(error).into_open_error(path))?;
    let version = version.ok_or_else(|| broken("the version of its format is missing"))?;
    if version > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: FORMAT });
    }
    if version < FORMAT {
        return Err(broken(
            "its format is that of an earlier version: run its pipeline once, which brings it up to date",
        ));
    }
    let same = has_tables(connection, &TABLES).map_err(|error| Fault::from(error).into_open_error(path))?;
    if !same {
        return Err(broken("its tables are not those of a state"));
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<Option<u64>> {
    let version =
        connection.query_row("SELECT version FROM format WHERE id = 1", [], |row| row.get::<_, i64>(0));
    Ok(version.optional()?.map(i64::cast_unsigned))
}

fn has_tables(connection: &Connection, tables: &[(&str, &str)]) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")?;
    let found: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let expected = tables.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()));
    Ok(expected.eq(found))
}

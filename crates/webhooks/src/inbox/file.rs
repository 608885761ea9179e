//! The file of the inbox: made private, opened durable, refused if it is not ours.
//!
//! Invariant: what exists is never replaced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sluicebox_core::{Error, ErrorClass, Result};

use super::fault::classify;

/// `sbin`, so that another database is not taken for an inbox.
const APPLICATION: i64 = 0x7362_696e;
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE deliveries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        time INTEGER,
        received INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE seen (id TEXT PRIMARY KEY, received INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX seen_by_age ON seen (received);
    CREATE TABLE signed (content BLOB PRIMARY KEY, received INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX signed_by_age ON signed (received);
";

/// Opens the file for writing; makes it, and the folder above it, if it is not there.
pub(super) fn open(path: &Path) -> Result<Connection> {
    make(path).map_err(|error| {
        Error::transient(format!("cannot make the inbox {}", path.display())).with_cause(error)
    })?;
    let connection = connect(path)?;
    let failed = |error| classify(error, "open", path);
    prepare(&connection).map_err(failed)?;
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) =
        (read("application_id").map_err(failed)?, read("user_version").map_err(failed)?);
    if (application, version) != (APPLICATION, VERSION) {
        let message = format!("the inbox {} is not one that this version can read", path.display());
        return Err(Error::new(ErrorClass::State, message).with_help("move it away, or use a newer version"));
    }
    Ok(connection)
}

/// Another connection to a file that exists.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let failed = |error| classify(error, "open", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    Ok(connection)
}

fn make(path: &Path) -> std::io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !path.exists() {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?.sync_all()?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The delivery is answered once the commit returns: the commit must have reached the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

//! SQLite as something to look up in: opened to read only, rows as JSON.
//!
//! Invariant: nothing here can write to the file. Integers and reals become numbers, text stays text, a blob becomes
//! `\x` and its bytes in hexadecimal (as PostgreSQL writes it), NULL becomes null.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;

/// Longest wait for a writer that has the file locked.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Opens a file to read.
///
/// # Errors
/// It is not there, is no database, or may not be read.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // Without this, a function or trigger of the schema could still write to attached files.
    connection.pragma_update(None, "query_only", true)?;
    // Opening alone does not look at the file.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A cell as JSON.
pub fn json(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            Value::String(std::iter::once("\\x".to_owned()).chain(digits).collect())
        }
    }
}

/// Cells as a JSON object, in their order.
pub fn object<'c>(cells: impl Iterator<Item = &'c (String, Value)>) -> String {
    let members = cells.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A row as columns with their values.
///
/// # Errors
/// A cell cannot be read.
pub fn row(names: &[String], row: &Row<'_>) -> rusqlite::Result<Vec<(String, Value)>> {
    names.iter().enumerate().map(|(at, name)| Ok((name.clone(), json(row.get_ref(at)?)))).collect()
}

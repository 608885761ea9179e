//! The table of events: made if it is missing, compared with what is expected if it is there, and grown.

use std::fmt::Write;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use sluicebox_core::{Error, ErrorClass};
use sluicebox_tables::{Change, Column, ColumnType, Dialect, SchemaContract, Table, TableWriter};

use crate::fault::classify;
use crate::types::{declared, holds, takes};

/// Integer columns that hold other numbers too: SQLite takes them there, and never changes a declaration.
const WIDENED: &str = "CREATE TABLE IF NOT EXISTS _sluicebox_widened (
    table_name TEXT NOT NULL COLLATE NOCASE, column_name TEXT NOT NULL COLLATE NOCASE,
    PRIMARY KEY (table_name, column_name)) WITHOUT ROWID;";

/// A name as SQL writes one, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(quoted).collect::<Vec<_>>().join(", ")
}

/// The statement that writes one row with a value for each of `columns`; with a `key` it replaces what is there.
pub(crate) fn insert_statement(table: &str, columns: &[Column], key: &[String]) -> String {
    let names = quoted_list(columns.iter().map(|column| column.name.as_str()));
    let places = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {} ({names}) VALUES ({places})", quoted(table));
    if key.is_empty() {
        return insert;
    }
    let is_key = |column: &&Column| key.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
    let replaced: Vec<String> = columns
        .iter()
        .filter(|column| !is_key(column))
        .map(|column| format!("{0} = excluded.{0}", quoted(&column.name)))
        .collect();
    let key = quoted_list(key.iter().map(String::as_str));
    if replaced.is_empty() {
        format!("{insert} ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {}", replaced.join(", "))
    }
}

/// Whether there is a table of that name.
///
/// # Errors
/// `Config` if the name is a view's.
pub(crate) fn exists(
    connection: &Connection,
    table: &str,
    writer: &TableWriter,
    path: &Path,
) -> Result<bool, Error> {
    let sql = "SELECT type FROM sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let found: Option<String> = connection
        .query_row(sql, [table], |row| row.get(0))
        .optional()
        .map_err(|error| classify(error, "read the tables of", path))?;
    match found.as_deref() {
        None => Ok(false),
        Some("table") => Ok(true),
        Some(_) => Err(misfit(table, writer, "it is a view", path)),
    }
}

/// Makes the table, or makes sure that the rows fit the one that is there.
///
/// # Errors
/// `Config` if it is another kind of table: what is there and what was expected.
pub(crate) fn prepare(
    connection: &Connection,
    table: &str,
    writer: &TableWriter,
    path: &Path,
) -> Result<(), Error> {
    if exists(connection, table, writer, path)? {
        return check(connection, table, writer, path);
    }
    let create = || -> rusqlite::Result<()> {
        connection.execute_batch(&create_statement(table, writer))?;
        if knows_widened(connection)? {
            // Of an earlier table of that name.
            connection.execute("DELETE FROM _sluicebox_widened WHERE table_name = ?1", [table])?;
        }
        Ok(())
    };
    create().map_err(|error| classify(error, "create a table in", path))
}

/// Makes sure that rows fit the table that is there.
///
/// # Errors
/// `Config` if not: what is there and what was expected.
pub(crate) fn check(
    connection: &Connection,
    table: &str,
    writer: &TableWriter,
    path: &Path,
) -> Result<(), Error> {
    let found = columns_of(connection, table).map_err(|error| classify(error, "read the tables of", path))?;
    let fits = compare(&found, writer).and_then(|()| growth(connection, table, writer, path));
    fits.map_err(|difference| misfit(table, writer, &difference, path))?;
    let has_key = writer.has_key(&found.iter().map(Found::column).collect::<Vec<_>>());
    if has_key && !has_unique_key(connection, table, writer.key()) {
        let key = quoted_list(writer.key().iter().map(String::as_str));
        let difference = format!("its rows are not told apart by {key}");
        return Err(misfit(table, writer, &difference, path).with_help(format!(
            "run `CREATE UNIQUE INDEX … ON {} ({key})`, or set `mode: append`",
            quoted(table)
        )));
    }
    Ok(())
}

/// The table as it is.
pub(crate) fn read(connection: &Connection, table: &str) -> rusqlite::Result<Table> {
    let mut columns: Vec<Column> = columns_of(connection, table)?.iter().map(Found::column).collect();
    if knows_widened(connection)? {
        let sql = "SELECT column_name FROM _sluicebox_widened WHERE table_name = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let names = statement.query_map([table], |row| row.get::<_, String>(0))?;
        for name in names.collect::<rusqlite::Result<Vec<_>>>()? {
            let widened = columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(&name));
            if let Some(column) = widened.filter(|column| column.holds == Some(ColumnType::Integer)) {
                column.holds = Some(ColumnType::Number);
            }
        }
    }
    Ok(Table { columns })
}

fn knows_widened(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = '_sluicebox_widened'";
    connection.prepare_cached(sql)?.exists([])
}

/// Makes a change.
pub(crate) fn change(connection: &Connection, table: &str, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Add(column) => connection.execute_batch(&format!(
            "ALTER TABLE {} ADD COLUMN {}",
            quoted(table),
            declaration(column)
        )),
        Change::Widen { column, .. } => {
            connection.execute_batch(WIDENED)?;
            let sql = "INSERT OR IGNORE INTO _sluicebox_widened VALUES (?1, ?2)";
            connection.execute(sql, [table, column]).map(drop)
        }
        Change::AddKey(key) => connection.execute_batch(&format!(
            "CREATE UNIQUE INDEX {} ON {} ({})",
            quoted(&format!("_sluicebox_key_{table}")),
            quoted(table),
            quoted_list(key.iter().map(String::as_str))
        )),
    }
}

fn create_statement(table: &str, writer: &TableWriter) -> String {
    let columns = writer.first_columns();
    let mut parts: Vec<String> = columns.iter().map(declaration).collect();
    if writer.has_key(&columns) {
        let key = quoted_list(writer.key().iter().map(String::as_str));
        parts.push(format!("UNIQUE ({key})"));
    }
    format!("CREATE TABLE {} ({})", quoted(table), parts.join(", "))
}

fn declaration(column: &Column) -> String {
    let name = quoted(&column.name);
    column.holds.map_or_else(|| name.clone(), |holds| format!("{name} {}", declared(holds)))
}

/// A column of an existing table.
struct Found {
    name: String,
    declared: String,
    must_be_given: bool,
    has_default: bool,
}

impl Found {
    fn column(&self) -> Column {
        Column { name: self.name.clone(), holds: holds(&self.declared), has_default: self.has_default }
    }
}

fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Found>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([table], |row| {
        let declared: String = row.get(1)?;
        let is_key: bool = row.get(4)?;
        let has_default = row.get::<_, Option<String>>(3)?.is_some()
            || (is_key && declared.eq_ignore_ascii_case("INTEGER"));
        let must_be_given = row.get::<_, bool>(2)? && !has_default && !is_key;
        Ok(Found { name: row.get(0)?, declared, must_be_given, has_default })
    })?;
    rows.collect()
}

fn compare(found: &[Found], writer: &TableWriter) -> Result<(), String> {
    let expected = writer.first_columns();
    for Column { name, holds, .. } in &expected {
        let Some(column) = found.iter().find(|column| column.name.eq_ignore_ascii_case(name)) else {
            return Err(format!("it has no column `{name}`"));
        };
        if let Some(wanted) = holds.filter(|wanted| !takes(&column.declared, *wanted)) {
            return Err(format!("its column `{name}` is {}, expected {}", column.declared, declared(wanted)));
        }
    }
    let is_ours = |column: &Found| expected.iter().any(|ours| column.name.eq_ignore_ascii_case(&ours.name));
    let misses = |column: &&Found| column.must_be_given && !is_ours(column) && !writer.is_from_event();
    match found.iter().find(misses) {
        Some(column) => Err(format!("its column `{}` needs a value, and none is configured", column.name)),
        None => Ok(()),
    }
}

/// A strict table takes neither wider values nor our types.
fn growth(connection: &Connection, table: &str, writer: &TableWriter, path: &Path) -> Result<(), String> {
    if !writer.is_from_event() || writer.contract() != SchemaContract::Evolve {
        return Ok(());
    }
    let sql = "SELECT strict FROM pragma_table_list(?1) WHERE schema = 'main'";
    let strict = connection.query_row(sql, [table], |row| row.get::<_, bool>(0));
    match strict {
        Ok(false) => Ok(()),
        Ok(true) => Err("it is STRICT, so it cannot grow with the events".to_owned()),
        Err(error) => Err(classify(error, "read the tables of", path).chain()),
    }
}

fn has_unique_key(connection: &Connection, table: &str, key: &[String]) -> bool {
    let columns: Vec<Column> = key.iter().map(|name| Column::new(name, None)).collect();
    // SQLite itself knows best which keys it takes: nothing is run.
    connection.prepare(&insert_statement(table, &columns, key)).is_ok()
}

fn expectation(writer: &TableWriter) -> String {
    let mut expected = String::new();
    for Column { name, holds, .. } in writer.first_columns() {
        let separator = if expected.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(expected, "{separator}{name} {}", holds.map_or("of any type", declared));
    }
    expected
}

fn misfit(table: &str, writer: &TableWriter, difference: &str, path: &Path) -> Error {
    let message = format!("the table `{table}` in {} does not fit: {difference}", path.display());
    let expected = expectation(writer);
    Error::new(ErrorClass::Config, message)
        .with_help(format!("choose another `table`, or rename that one; expected are the columns {expected}"))
}

/// Why a name cannot be that of our table, if so.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.contains('\0') || name.len() > Dialect::SQLITE.name_bytes {
        Some("this cannot be the name of a table")
    } else if lower.starts_with("sqlite_") {
        Some("SQLite keeps names that begin with `sqlite_` for itself")
    } else if lower.starts_with("_sluicebox_") {
        Some("names that begin with `_sluicebox_` are kept for positions")
    } else {
        None
    }
}

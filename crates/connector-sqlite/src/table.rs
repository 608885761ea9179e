//! The table of events: made if it is missing, compared with what is expected if it is there.

use std::fmt::Write;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use sluicebox_core::{Error, ErrorClass};

use crate::fault::classify;
use crate::layout::Layout;

/// A name as SQL writes one, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement that appends one row.
pub(crate) fn insert_statement(table: &str, layout: &Layout) -> String {
    let columns = layout.columns();
    let names: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!("INSERT INTO {} ({}) VALUES ({places})", quoted(table), names.join(", "))
}

/// Makes the table, or makes sure that the rows fit the one that is there.
///
/// # Errors
/// `Config` if it is another kind of table: what is there and what was expected.
pub(crate) fn prepare(
    connection: &Connection,
    table: &str,
    layout: &Layout,
    path: &Path,
) -> Result<(), Error> {
    let read = |error| classify(error, "read the tables of", path);
    let sql = "SELECT type FROM sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let kind: Option<String> =
        connection.query_row(sql, [table], |row| row.get(0)).optional().map_err(read)?;
    match kind.as_deref() {
        None => {
            let create = connection.execute_batch(&create_statement(table, layout));
            create.map_err(|error| classify(error, "create a table in", path))
        }
        Some("table") => {
            let found = columns_of(connection, table).map_err(read)?;
            compare(&found, layout).map_err(|difference| misfit(table, layout, &difference, path))
        }
        Some(_) => Err(misfit(table, layout, "it is a view", path)),
    }
}

fn create_statement(table: &str, layout: &Layout) -> String {
    let columns = layout.columns();
    let declared: Vec<String> = columns.iter().map(|(name, declared)| declaration(name, *declared)).collect();
    format!("CREATE TABLE {} ({})", quoted(table), declared.join(", "))
}

fn declaration(name: &str, declared: Option<&str>) -> String {
    declared.map_or_else(|| quoted(name), |declared| format!("{} {declared}", quoted(name)))
}

/// A column of an existing table.
struct Found {
    name: String,
    declared: String,
    needs_value: bool,
}

fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Found>> {
    let mut statement =
        connection.prepare("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |row| {
        let has_default = row.get::<_, Option<String>>(3)?.is_some();
        let is_key: bool = row.get(4)?;
        let needs_value = row.get::<_, bool>(2)? && !has_default && !is_key;
        Ok(Found { name: row.get(0)?, declared: row.get(1)?, needs_value })
    })?;
    rows.collect()
}

fn compare(found: &[Found], layout: &Layout) -> Result<(), String> {
    let expected = layout.columns();
    for (name, declared) in &expected {
        let Some(column) = found.iter().find(|column| column.name.eq_ignore_ascii_case(name)) else {
            return Err(format!("it has no column `{name}`"));
        };
        let (found, wanted) = (affinity(&column.declared), declared.map(affinity));
        if wanted.is_some_and(|wanted| found != "BLOB" && found != "NUMERIC" && found != wanted) {
            let wanted = declared.unwrap_or_default();
            return Err(format!("its column `{name}` is {}, expected {wanted}", column.declared));
        }
    }
    let is_ours = |column: &Found| expected.iter().any(|(name, _)| column.name.eq_ignore_ascii_case(name));
    match found.iter().find(|column| column.needs_value && !is_ours(column)) {
        Some(column) => Err(format!("its column `{}` needs a value, and none is configured", column.name)),
        None => Ok(()),
    }
}

/// SQLite's rules for the affinity of a declared type: <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
fn affinity(declared: &str) -> &'static str {
    let declared = declared.to_ascii_uppercase();
    let holds = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if holds(&["INT"]) {
        "INTEGER"
    } else if holds(&["CHAR", "CLOB", "TEXT"]) {
        "TEXT"
    } else if declared.is_empty() || holds(&["BLOB"]) {
        "BLOB"
    } else if holds(&["REAL", "FLOA", "DOUB"]) {
        "REAL"
    } else {
        "NUMERIC"
    }
}

fn misfit(table: &str, layout: &Layout, difference: &str, path: &Path) -> Error {
    let mut expected = String::new();
    for (name, declared) in layout.columns() {
        let separator = if expected.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(expected, "{separator}{name} {}", declared.unwrap_or("of any type"));
    }
    let message = format!("the table `{table}` in {} does not fit: {difference}", path.display());
    Error::new(ErrorClass::Config, message)
        .with_help(format!("choose another `table`, or rename that one; expected are the columns {expected}"))
}

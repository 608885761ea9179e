//! Types of columns as SQLite declares them, and what an existing declaration can hold.
//!
//! SQLite converts what it stores by the affinity of the declared type. Invariant: a value is only ever bound to a column
//! whose affinity gives it back: JSON is in columns of text, numbers beyond a floating-point number are text.

use rusqlite::types::{Null, ToSql, ToSqlOutput, ValueRef};
use sluicebox_tables::{Cell, ColumnType, write_moment};

/// The type in the declaration of a table.
pub(crate) fn declared(holds: ColumnType) -> &'static str {
    match holds {
        ColumnType::Text | ColumnType::Timestamp => "TEXT",
        // Two words, of which SQLite minds the second: the first tells the next start that the column holds JSON.
        ColumnType::Json => "JSON TEXT",
        ColumnType::Integer => "INTEGER",
        ColumnType::Number => "NUMERIC",
        ColumnType::Real => "REAL",
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Blob => "BLOB",
    }
}

/// What a column of a declared type holds; `None`: anything.
pub(crate) fn holds(declared: &str) -> Option<ColumnType> {
    let word = |words: &[&str]| words.iter().any(|word| declared.to_ascii_uppercase().contains(word));
    Some(match affinity(declared) {
        "BLOB" if declared.is_empty() => return None,
        // Declared as just `JSON`, which is never done here, a bare number in it is stored as SQLite stores numbers.
        "TEXT" | "BLOB" | "NUMERIC" if word(&["JSON"]) => ColumnType::Json,
        "TEXT" => ColumnType::Text,
        "BLOB" => ColumnType::Blob,
        "INTEGER" => ColumnType::Integer,
        "REAL" => ColumnType::Real,
        _ if word(&["BOOL"]) => ColumnType::Boolean,
        _ if word(&["DATE", "TIME"]) => ColumnType::Timestamp,
        _ => ColumnType::Number,
    })
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

/// Whether a column of a declared type takes what a column of another type holds.
pub(crate) fn takes(declared: &str, wanted: ColumnType) -> bool {
    match (affinity(declared), affinity(self::declared(wanted))) {
        ("BLOB" | "NUMERIC", _) | ("INTEGER", "NUMERIC") => true,
        (found, wanted) => found == wanted,
    }
}

/// A cell on its way into a statement.
pub(crate) struct Bound<'c>(pub(crate) &'c Cell<'c>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::from(Null),
            Cell::Boolean(value) => ToSqlOutput::from(*value),
            Cell::Integer(number) => ToSqlOutput::from(*number),
            Cell::Real(number) => ToSqlOutput::from(*number),
            // The plan makes a number only of what a floating-point number gives back.
            Cell::Number(text) => ToSqlOutput::from(text.parse::<f64>().unwrap_or(f64::NAN)),
            Cell::Text(text) | Cell::Json(text) => ToSqlOutput::from(text.as_ref()),
            Cell::Timestamp { text: Some(text), .. } => ToSqlOutput::from(*text),
            Cell::Timestamp { microseconds, text: None } => ToSqlOutput::from(write_moment(*microseconds)),
            Cell::SharedJson(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Cell::Blob(bytes) => ToSqlOutput::from(bytes.as_slice()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_that_is_made_here_is_read_as_what_it_holds() {
        use ColumnType as T;
        for kind in [T::Text, T::Integer, T::Number, T::Real, T::Boolean, T::Json, T::Blob] {
            assert_eq!(holds(declared(kind)), Some(kind));
            assert!(takes(declared(kind), kind));
        }
        for (declared, expected) in [
            ("", None),
            ("VARCHAR(20)", Some(T::Text)),
            ("bigint", Some(T::Integer)),
            ("decimal(10,2)", Some(T::Number)),
            ("datetime", Some(T::Timestamp)),
            ("json", Some(T::Json)),
            ("double precision", Some(T::Real)),
        ] {
            assert_eq!(holds(declared), expected, "{declared}");
        }
    }

    #[test]
    fn a_column_takes_what_its_affinity_gives_back() {
        assert!(takes("", ColumnType::Real) && takes("INTEGER", ColumnType::Boolean));
        assert!(!takes("INTEGER", ColumnType::Text) && !takes("TEXT", ColumnType::Integer));
    }
}

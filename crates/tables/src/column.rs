//! Columns and the types that they hold, in words that no database owns.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text. Numbers and booleans are written as JSON writes them.
    Text,
    /// A whole number of 64 bits. Booleans are 1 and 0.
    Integer,
    /// A number with every digit it has, as far as the database keeps them.
    Number,
    /// A number in floating point of 64 bits.
    Real,
    /// True or false.
    Boolean,
    /// A point in time, from RFC 3339 text; kept in UTC with microseconds.
    Timestamp,
    /// Any value, as JSON text.
    Json,
    /// The bytes of a text.
    Blob,
}

impl ColumnType {
    /// The word of the pipeline file, and of a variant column: `amount__text`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Blob => "blob",
        }
    }
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name exactly as the database has it.
    pub name: String,
    /// What it holds; `None`: anything (an untyped column of SQLite).
    pub holds: Option<ColumnType>,
    /// Whether the database fills it by itself: then it is written only where an event has a value for it.
    pub has_default: bool,
}

impl Column {
    /// A column that the database does not fill by itself.
    pub fn new(name: impl Into<String>, holds: Option<ColumnType>) -> Self {
        Self { name: name.into(), holds, has_default: false }
    }
}

/// A table as it is, in the order of its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns; empty for a table that is not there yet.
    pub columns: Vec<Column>,
}

impl Table {
    /// The place of the column of exactly this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

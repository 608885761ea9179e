//! What differs between databases as far as columns, names and values are concerned.

/// The rules of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// How messages call the database: `SQLite`.
    pub database: &'static str,
    /// Whether names that differ only in the case of ASCII letters are one name.
    pub folds_case: bool,
    /// Longest name in bytes.
    pub name_bytes: usize,
    /// Names that no column of an event may have, in lower case.
    pub reserved: &'static [&'static str],
    /// Whether a [`Number`](crate::ColumnType::Number) column keeps every digit; otherwise it holds integers of 64 bits
    /// and what a floating-point number gives back digit for digit, and a number beyond that is kept as text.
    pub exact_numbers: bool,
    /// Whether text may hold U+0000.
    pub holds_nul: bool,
    /// Most columns of a table.
    pub max_columns: usize,
}

impl Dialect {
    /// SQLite: <https://www.sqlite.org/limits.html>. `rowid` is kept because the order of rows is read by it.
    pub const SQLITE: Self = Self {
        database: "SQLite",
        folds_case: true,
        name_bytes: 1000,
        reserved: &["rowid"],
        exact_numbers: false,
        holds_nul: true,
        max_columns: 2000,
    };

    /// PostgreSQL: names of 63 bytes, system columns, 1600 columns, no U+0000 in text.
    pub const POSTGRES: Self = Self {
        database: "PostgreSQL",
        folds_case: false,
        name_bytes: 63,
        reserved: &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
        exact_numbers: true,
        holds_nul: false,
        max_columns: 1600,
    };

    /// Whether two names lead to one column.
    pub fn is_same_name(&self, a: &str, b: &str) -> bool {
        if self.folds_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}

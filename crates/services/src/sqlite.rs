//! Reading a SQLite database back by other code: the sqlite3 tool, a process of its own.

use std::path::Path;
use std::process::Command;

use crate::shared::{fail, is_wanted};
use crate::tools;

/// What the sqlite3 tool answers, a row a line; None when services are to be skipped.
///
/// # Panics
/// When the tool is not installed or refuses.
pub fn sqlite3(database: impl AsRef<Path>, sql: &str) -> Option<String> {
    let ask = || tools::run(Command::new(tools::sqlite3()?).arg("-batch").arg(database.as_ref()).arg(sql));
    is_wanted().then(|| fail(ask()))
}

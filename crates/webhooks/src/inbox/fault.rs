//! What SQLite said of the inbox, as a class of error.

use std::path::Path;

use rusqlite::ErrorCode;
use sluicebox_core::{Error, ErrorClass};

/// An error of an attempt on the file. A full disk passes; a file that is no database does not.
pub(super) fn classify(error: rusqlite::Error, attempt: &str, path: &Path) -> Error {
    let class = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorClass::State,
        _ => ErrorClass::Transient,
    };
    Error::new(class, format!("cannot {attempt} the inbox {}", path.display())).with_cause(error)
}

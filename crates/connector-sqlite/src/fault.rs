//! SQLite's errors as the engine's classes: what passes by itself, what one row can never do, what needs a person.

use std::path::Path;

use rusqlite::ErrorCode;
use sluicebox_core::{Error, ErrorClass};

/// An error of SQLite while `attempt` (`write to`) was made on the database at `path`.
pub(crate) fn classify(error: rusqlite::Error, attempt: &str, path: &Path) -> Error {
    let message = format!("cannot {attempt} the database {}", path.display());
    let class = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SchemaChanged,
        ) => ErrorClass::Transient,
        Some(
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => ErrorClass::Config,
        _ => ErrorClass::State,
    };
    Error::new(class, message).with_cause(error)
}

/// The error of one row if no retry can ever write it; anything else is about the database, not the row.
pub(crate) fn guilt_of_row(error: rusqlite::Error, table: &str) -> Result<Error, rusqlite::Error> {
    let message = format!("the row does not fit the table {table}");
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => {
            let message = "the row is larger than SQLite takes";
            Ok(Error::permanent(message).with_reason("too_large").with_cause(error))
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            Ok(Error::permanent(message).with_cause(error))
        }
        _ => Err(error),
    }
}

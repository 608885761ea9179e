//! What can go wrong inside the state file, before it is known whether an open or a running store hit it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use sluicebox_core::{Error, ErrorClass};

use crate::OpenError;

/// A failure below the store's API.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// SQLite refused.
    #[error("sqlite refused")]
    Sqlite(#[from] rusqlite::Error),
    /// The content contradicts itself.
    #[error("{0}")]
    Broken(String),
}

impl Fault {
    /// Whether waiting can help: a full disk, an I/O error, a busy file.
    fn may_pass(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
            )
        )
    }

    /// As the error of a running store.
    pub(crate) fn into_error(self, attempt: &str, path: &Path) -> Error {
        let message = format!("cannot {attempt} the state in {}", path.display());
        if self.may_pass() {
            return Error::transient(message).with_cause(self.into_cause());
        }
        Error::new(ErrorClass::State, message)
            .with_help(OpenError::unreadable(path, "").help())
            .with_cause(self.into_cause())
    }

    /// As the error of an open.
    pub(crate) fn into_open_error(self, path: &Path) -> OpenError {
        if self.may_pass() {
            return OpenError::Io { path: path.to_owned(), source: io::Error::other(self.into_cause()) };
        }
        OpenError::unreadable(path, self.into_cause().to_string())
    }

    fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Sqlite(error) => Box::new(error),
            broken @ Self::Broken(_) => Box::new(broken),
        }
    }
}

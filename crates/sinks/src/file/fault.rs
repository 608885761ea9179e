//! What the operating system says about a file, as the engine's classes.

use std::io::{self, ErrorKind};
use std::path::Path;

use sluicebox_core::{Error, ErrorClass};

/// An error while `attempt` (`write to`) was made on the file at `path`. A full disk and an I/O error may pass; what
/// only a person can change pauses the sink.
pub(crate) fn classify(error: io::Error, attempt: &str, path: &Path) -> Error {
    let class = match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => ErrorClass::Config,
        _ => ErrorClass::Transient,
    };
    Error::new(class, format!("cannot {attempt} the file {}", path.display())).with_cause(error)
}

/// A file is shorter than the checkpoint says.
pub(crate) fn shorter(path: &Path, found: u64, expected: u64) -> Error {
    let message = format!(
        "the file {} has {found} bytes, but the checkpoint knows of {expected}: events that were delivered are missing",
        path.display()
    );
    Error::new(ErrorClass::State, message).with_help(
        "put the file back as it was; or give the sink another path, which begins a new file at the present cursor",
    )
}

/// Somebody else has written to a file that is part of the state.
pub(crate) fn foreign(path: &Path) -> Error {
    let message = format!("something else has written to the file {}", path.display());
    let help = "with exactly_once only this sink may write to it: stop the other writer and start again, \
                which cuts off what it has written";
    Error::new(ErrorClass::State, message).with_help(help)
}

/// A file that is part of the state is not where it was.
pub(crate) fn moved(path: &Path) -> Error {
    let message = format!("the file {} was moved or removed while it was in use", path.display());
    let help = "put it back: with exactly_once the file is part of the state";
    Error::new(ErrorClass::State, message).with_help(help)
}

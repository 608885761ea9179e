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

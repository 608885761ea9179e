//! Certificates and keys out of PEM files.
//!
//! Invariant: of a file with a key, no message repeats anything but its path.

use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sluicebox_core::{Error, Result};

const EXPECTED: &str = "expected PEM: text between `-----BEGIN …-----` and `-----END …-----`";

/// Every certificate in a file, at least one.
///
/// # Errors
/// `Config` if the file cannot be read or holds something else.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|error| unusable(file, "certificate", error))?;
    if found.is_empty() {
        return Err(without(file, "certificate"));
    }
    Ok(found)
}

/// The private key in a file.
///
/// # Errors
/// `Config` if the file cannot be read or holds something else.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, "private key", error))
}

/// Without the library's words about the text: a line that it stumbles over may be the key itself.
fn unusable(file: &Path, what: &str, error: PemError) -> Error {
    match error {
        PemError::Io(error) => Error::config(format!("reading {} failed", file.display())).with_cause(error),
        _ => without(file, what),
    }
}

fn without(file: &Path, what: &str) -> Error {
    Error::config(format!("{} holds no usable {what}", file.display())).with_help(EXPECTED)
}

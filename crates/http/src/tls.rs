//! The option `tls` as reqwest obeys it.
//!
//! Invariant: without a word from the user, the machine's own roots decide whom to trust.

use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity};
use sluicebox_core::{Error, Result, TlsOptions};

/// `builder` with what `options` say; their files are relative to `folder`, and read now.
///
/// # Errors
/// `Config` if the options contradict each other or a file cannot be used.
pub(crate) fn apply(
    options: &TlsOptions,
    mut builder: ClientBuilder,
    folder: &Path,
) -> Result<ClientBuilder> {
    if let Some(problem) = options.problems().into_iter().next() {
        return Err(Error::config(problem.message));
    }
    if let Some(file) = &options.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(folder, file)?);
        let authorities = authorities.ok().filter(|authorities| !authorities.is_empty());
        builder = builder.tls_certs_only(authorities.ok_or_else(|| unusable(file, "certificate"))?);
    }
    if let (Some(certificate), Some(key)) = (&options.certificate_file, &options.key_file) {
        let mut pem = read(folder, certificate)?;
        pem.push(b'\n');
        pem.extend(read(folder, key)?);
        let identity = Identity::from_pem(&pem).map_err(|_| unusable(key, "certificate with its key"))?;
        builder = builder.identity(identity);
    }
    Ok(builder.tls_danger_accept_invalid_certs(options.insecure_skip_verify))
}

fn read(folder: &Path, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(folder.join(file))
        .map_err(|error| Error::config(format!("reading {} failed", file.display())).with_cause(error))
}

/// Without the library's words: they might repeat a key.
fn unusable(file: &Path, what: &str) -> Error {
    Error::config(format!("{} holds no usable {what}", file.display()))
        .with_help("expected PEM: text between `-----BEGIN …-----` and `-----END …-----`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_missing_or_hold_something_else_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), "hunter2").unwrap();
        let apply = |json: &str| {
            let options: TlsOptions = serde_json::from_str(json).unwrap();
            super::apply(&options, reqwest::Client::builder(), folder.path()).unwrap_err().to_string()
        };
        assert!(apply(r#"{"ca_file":"none.pem"}"#).contains("none.pem"));
        let message = apply(r#"{"ca_file":"text"}"#);
        assert!(message.contains("no usable certificate") && !message.contains("hunter2"), "{message}");
        assert!(apply(r#"{"certificate_file":"text","key_file":"text"}"#).contains("no usable"));
        assert!(apply(r#"{"key_file":"text"}"#).contains("certificate_file"));
    }
}

//! TLS as a component may ask for it, in the words that all components share.
//!
//! Invariant: without a word from the user, the machine's own roots decide whom to trust.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Result};

/// Whom a TLS connection trusts, and what it shows of itself. Paths are relative to the pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// Certificates of the authorities to trust (PEM), instead of the machine's own.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show, with those between it and its authority (PEM); needs `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// The private key of that certificate (PEM).
    pub key_file: Option<PathBuf>,
    /// Trust anybody: for tests only. A warning is logged at every start.
    pub insecure_skip_verify: bool,
}

impl TlsOptions {
    /// What is wrong with the options together, as a sentence for the user.
    pub fn problem(&self) -> Option<&'static str> {
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => Some("`certificate_file` needs `key_file`"),
            (None, Some(_)) => Some("`key_file` needs `certificate_file`"),
            _ if self.insecure_skip_verify && self.ca_file.is_some() => {
                Some("`insecure_skip_verify` trusts anybody: leave out `ca_file`, or verify")
            }
            _ => None,
        }
    }

    pub(crate) fn apply(&self, mut builder: ClientBuilder, folder: &Path) -> Result<ClientBuilder> {
        if let Some(message) = self.problem() {
            return Err(Error::config(message));
        }
        if let Some(file) = &self.ca_file {
            let authorities = Certificate::from_pem_bundle(&read(folder, file)?);
            let authorities = authorities.ok().filter(|authorities| !authorities.is_empty());
            builder = builder.tls_certs_only(authorities.ok_or_else(|| unusable(file, "certificate"))?);
        }
        if let (Some(certificate), Some(key)) = (&self.certificate_file, &self.key_file) {
            let mut pem = read(folder, certificate)?;
            pem.push(b'\n');
            pem.extend(read(folder, key)?);
            let identity = Identity::from_pem(&pem).map_err(|_| unusable(key, "certificate with its key"))?;
            builder = builder.identity(identity);
        }
        Ok(builder.tls_danger_accept_invalid_certs(self.insecure_skip_verify))
    }
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
            options.apply(reqwest::Client::builder(), folder.path()).unwrap_err().to_string()
        };
        assert!(apply(r#"{"ca_file":"none.pem"}"#).contains("none.pem"));
        let message = apply(r#"{"ca_file":"text"}"#);
        assert!(message.contains("no usable certificate") && !message.contains("hunter2"), "{message}");
        assert!(apply(r#"{"certificate_file":"text","key_file":"text"}"#).contains("no usable"));
        assert!(apply(r#"{"key_file":"text"}"#).contains("certificate_file"));
        assert!(serde_json::from_str::<TlsOptions>(r#"{"cafile":"x"}"#).is_err());
    }
}

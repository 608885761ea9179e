//! TLS in the words that all components share: whom a connection trusts, and what it shows of itself.
//!
//! Only the words: each client library has its own way to obey them, and whoever does so logs [`TlsOptions::warning`] at
//! every start. Invariant: without a word from the user, the machine's own roots decide whom to
//! trust.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Problem;

/// Whom an encrypted connection trusts, and what it shows of itself: the option `tls`.
///
/// Paths are relative to the folder of the pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities to trust, instead of those that this machine trusts. Like the other two
    /// files, a path from the folder of the pipeline file.
    #[schemars(example = "certs/ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), followed by those between it and its authority, where the other side asks for one;
    /// needs `key_file`.
    #[schemars(example = "certs/client.pem")]
    pub certificate_file: Option<PathBuf>,
    /// The private key (PEM, not encrypted) of `certificate_file`.
    #[schemars(example = "certs/client.key")]
    pub key_file: Option<PathBuf>,
    /// Takes any certificate of anybody, so that whoever stands between can read and change everything. Warned of at
    /// every start.
    pub insecure_skip_verify: bool,
}

impl TlsOptions {
    /// What the log has to say at every start, if nobody verifies who is at `place`.
    pub fn warning(&self, place: &str) -> Option<String> {
        let text = "`tls.insecure_skip_verify` is on: anybody on the way to";
        self.insecure_skip_verify.then(|| format!("{text} {place} can read and change what is sent"))
    }

    /// What is wrong with the options together; the paths begin with `tls`, the name of the option in every component.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                problems
                    .push(Problem::new("tls", "`certificate_file` needs the `key_file` that belongs to it"));
            }
            (None, Some(_)) => {
                problems
                    .push(Problem::new("tls", "`key_file` needs the `certificate_file` that belongs to it"));
            }
            _ => {}
        }
        if self.insecure_skip_verify && self.ca_file.is_some() {
            let message = "with `insecure_skip_verify` nothing is verified, so `ca_file` means nothing";
            problems.push(Problem::new("tls.ca_file", message).with_help("leave out one of them"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<TlsOptions, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn options_that_contradict_each_other_are_problems() {
        for (json, expected) in [
            ("{}", &[][..]),
            (r#"{"ca_file":"a","certificate_file":"c","key_file":"k"}"#, &[]),
            (r#"{"insecure_skip_verify":true,"certificate_file":"c","key_file":"k"}"#, &[]),
            (r#"{"certificate_file":"c"}"#, &["tls"]),
            (r#"{"ca_file":"a","key_file":"k","insecure_skip_verify":true}"#, &["tls", "tls.ca_file"]),
        ] {
            let problems = options(json).unwrap().problems();
            let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths, expected, "{json}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused() {
        let error = options(r#"{"cafile":"x"}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `cafile`"), "{error}");
    }
}

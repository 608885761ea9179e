//! `tls:`: whom we trust and who we are on an encrypted connection.
//!
//! Invariant: a certificate is verified unless `insecure_skip_verify: true` says otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Problem, Result};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How the server is recognised, and how we are. Paths are relative to the pipeline file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities that may have signed the server's; unset: those that this machine trusts.
    #[schemars(example = &"ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), where the server asks for one; needs `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// The private key of our certificate (PEM).
    pub key_file: Option<PathBuf>,
    /// Takes any certificate, so that anybody on the way can read and change what is sent. Warned of at every start.
    pub insecure_skip_verify: bool,
}

impl TlsOptions {
    /// What the types cannot say.
    pub(crate) fn problems(&self) -> Vec<Problem> {
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
            let message = "nothing is verified, so `ca_file` means nothing";
            problems.push(Problem::new("tls.ca_file", message).with_help("leave out one of them"));
        }
        problems
    }

    /// What makes encrypted connections; reads the files.
    ///
    /// # Errors
    /// `Config` if a file cannot be used.
    pub(crate) fn connector(&self, folder: &Path) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config("cannot set up TLS").with_cause(error))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(provider, folder)?);
        let config = match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (folder.join(certificate), folder.join(key));
                let chain = certificates(&certificate)?;
                let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, error))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unreadable(&certificate, error))?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>, folder: &Path) -> Result<Arc<dyn ServerCertVerifier>> {
        let cannot = |error: rustls::Error| {
            Error::config("cannot use the certificates that this machine trusts")
                .with_help("give the server's authority in `tls.ca_file`")
                .with_cause(error)
        };
        if self.insecure_skip_verify {
            return Ok(Arc::new(Anybody(provider)));
        }
        let Some(file) = &self.ca_file else {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(cannot)?;
            return Ok(Arc::new(verifier));
        };
        let file = folder.join(file);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&file)? {
            roots.add(certificate).map_err(|error| unreadable(&file, error))?;
        }
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| unreadable(&file, error))?;
        Ok(verifier)
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found: Vec<_> = read().map_err(|error| unreadable(file, error))?;
    if found.is_empty() {
        return Err(Error::config(format!("{} holds no certificate", file.display()))
            .with_help("expected PEM, a text with `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(found)
}

fn unreadable(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::config(format!("cannot use {} for TLS", file.display())).with_cause(error)
}

/// Takes every certificate: `insecure_skip_verify`.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_problems() {
        let options: TlsOptions =
            serde_json::from_str(r#"{"ca_file":"a","key_file":"k","insecure_skip_verify":true}"#).unwrap();
        let paths: Vec<_> = options.problems().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["tls", "tls.ca_file"]);
        assert!(TlsOptions::default().problems().is_empty());
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty.pem"), "nothing").unwrap();
        let refusal = |file: &str| {
            let options = TlsOptions { ca_file: Some(file.into()), ..TlsOptions::default() };
            options.connector(folder.path()).map(drop).unwrap_err().to_string()
        };
        assert!(refusal("empty.pem").ends_with("empty.pem holds no certificate"));
        assert!(refusal("missing.pem").contains("missing.pem for TLS"));
    }
}

//! TLS towards a broker: which certificates are believed, and who we say we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapin::tcp::RustlsConnector;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Problem, Result};

/// How a TLS connection is verified. Paths are relative to the folder of the pipeline file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities to believe, instead of those of the machine.
    #[schemars(example = "certs/ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), for brokers that ask for one; with `key_file`.
    #[schemars(example = "certs/client.pem")]
    pub certificate_file: Option<PathBuf>,
    /// The private key (PEM) of `certificate_file`.
    #[schemars(example = "certs/client.key")]
    pub key_file: Option<PathBuf>,
    /// Believe any certificate, and allow `amqp://` to another machine. Warned of at every start.
    pub insecure_skip_verify: bool,
}

impl TlsOptions {
    /// Everything wrong with the options by themselves.
    pub(crate) fn problems(&self, is_encrypted: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => problems.push(Problem::new("tls", "`certificate_file` needs a `key_file`")),
            (None, Some(_)) => problems.push(Problem::new("tls", "`key_file` needs a `certificate_file`")),
            _ => {}
        }
        if !is_encrypted && (self.ca_file.is_some() || self.certificate_file.is_some()) {
            problems.push(
                Problem::new("tls", "the connection is not TLS, so these files would never be used")
                    .with_help("begin `url` with `amqps://`"),
            );
        }
        problems
    }

    /// What makes TLS connections with these options.
    ///
    /// # Errors
    /// `Config` if a file cannot be read or holds something else.
    pub(crate) fn connector(&self, folder: &Path) -> Result<RustlsConnector> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable =
            |error: rustls::Error| Error::config("TLS cannot be set up with these options").with_cause(error);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = if self.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else if let Some(file) = &self.ca_file {
            builder.with_root_certificates(authorities(&folder.join(file))?)
        } else {
            let machine = rustls_platform_verifier::Verifier::new(provider).map_err(unusable)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(machine))
        };
        let config = match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let key = folder.join(key);
                let private = PrivateKeyDer::from_pem_file(&key)
                    .map_err(|error| unreadable("private key", &key).with_cause(error))?;
                let chain = certificates(&folder.join(certificate))?;
                builder.with_client_auth_cert(chain, private).map_err(unusable)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(RustlsConnector::from(config))
    }
}

fn authorities(file: &Path) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).map_err(|error| unreadable("certificate", file).with_cause(error))?;
    }
    Ok(store)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed = |error: rustls::pki_types::pem::Error| unreadable("certificate", file).with_cause(error);
    let read: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if read.is_empty() {
        return Err(Error::config(format!("there is no certificate in {}", file.display()))
            .with_help("expected PEM: `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(read)
}

fn unreadable(what: &str, file: &Path) -> Error {
    Error::config(format!("cannot read the {what} in {}", file.display()))
}

/// Believes any certificate; signatures of the handshake are still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
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
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_there_or_not_used_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let tls = TlsOptions { ca_file: Some("ca.pem".into()), ..TlsOptions::default() };
        assert!(tls.connector(folder.path()).unwrap_err().to_string().contains("ca.pem"));
        std::fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
        let error = tls.connector(folder.path()).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
        assert_eq!(tls.problems(true).len(), 0);
        assert_eq!(tls.problems(false).len(), 1);
        let half = TlsOptions { key_file: Some("key.pem".into()), ..TlsOptions::default() };
        assert_eq!(half.problems(true).len(), 1);
        assert!(TlsOptions::default().connector(folder.path()).is_ok());
    }
}

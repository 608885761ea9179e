//! Who decides whether a server is the one that it says it is: the machine, the user's authorities, or nobody.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use sluicebox_core::{Error, Result, TlsOptions};

use crate::pem::certificates;

/// The verifier that the options ask for; reads `ca_file`.
///
/// # Errors
/// `Config` if the file cannot be used, or the machine has no authorities.
pub(crate) fn verifier(
    options: &TlsOptions,
    folder: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    if options.insecure_skip_verify {
        return Ok(Arc::new(Anybody(provider)));
    }
    let Some(file) = &options.ca_file else {
        let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| {
            Error::config("the certificates that this machine trusts cannot be used")
                .with_help("give the server's authority in `tls.ca_file`")
                .with_cause(error)
        })?;
        return Ok(Arc::new(verifier));
    };
    let file = folder.join(file);
    let unusable = || Error::config(format!("{} holds no usable authority", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&file)? {
        roots.add(certificate).map_err(|error| unusable().with_cause(error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable().with_cause(error))?;
    Ok(verifier)
}

/// Takes every certificate, as `insecure_skip_verify` asks; that the server holds its key is still verified.
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

//! What makes encrypted connections: the options and their files as a configuration of rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use sluicebox_core::{Error, Result, TlsOptions};

use crate::pem::{certificates, private_key};
use crate::verifier::verifier;

/// The configuration of a client that obeys `options`; their files are relative to `folder`, and read now.
///
/// # Errors
/// `Config` if the options contradict each other or a file cannot be used.
pub fn client_config(options: &TlsOptions, folder: &Path) -> Result<ClientConfig> {
    if let Some(problem) = options.problems().into_iter().next() {
        return Err(Error::config(problem.message));
    }
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::config("TLS cannot be set up").with_cause(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(options, folder, provider)?);
    let (Some(certificate), Some(key)) = (&options.certificate_file, &options.key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let (certificate, key) = (folder.join(certificate), folder.join(key));
    builder.with_client_auth_cert(certificates(&certificate)?, private_key(&key)?).map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        Error::config(format!("{certificate} and {key} cannot be used together")).with_cause(error)
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
    use tempfile::TempDir;

    use super::*;

    /// A folder with `server.pem`, `client.pem` and `client.key`, and the server that has the first and asks for the
    /// second.
    struct Room {
        folder: TempDir,
        server: Arc<ServerConfig>,
    }

    impl Room {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (server, client) = (own_certificate(), own_certificate());
            let write = |file: &str, label: &str, der: &[u8]| {
                std::fs::write(folder.path().join(file), pem(label, der)).unwrap();
            };
            write("server.pem", "CERTIFICATE", server.cert.der());
            write("client.pem", "CERTIFICATE", client.cert.der());
            write("client.key", "PRIVATE KEY", &client.signing_key.serialize_der());
            let mut clients = RootCertStore::empty();
            clients.add(client.cert.der().clone()).unwrap();
            let provider = Arc::new(default_provider());
            let clients =
                WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider))
                    .allow_unauthenticated()
                    .build()
                    .unwrap();
            let key = PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap();
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_client_cert_verifier(clients)
                .with_single_cert(vec![server.cert.der().clone()], key)
                .unwrap();
            Self { folder, server: Arc::new(config) }
        }

        fn config(&self, options: &TlsOptions) -> Result<ClientConfig> {
            client_config(options, self.folder.path())
        }

        /// Whether the server was shown a certificate; or why there is no connection.
        fn meet(&self, options: &TlsOptions) -> Result<bool, rustls::Error> {
            let name = ServerName::try_from("localhost").unwrap();
            let client = ClientConnection::new(Arc::new(self.config(options).unwrap()), name)?;
            let (mut client, mut server) = (
                Connection::from(client),
                Connection::from(ServerConnection::new(Arc::clone(&self.server))?),
            );
            while client.is_handshaking() || server.is_handshaking() {
                pass(&mut client, &mut server)?;
                pass(&mut server, &mut client)?;
            }
            Ok(server.peer_certificates().is_some())
        }
    }

    fn own_certificate() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
        let mut bytes = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.read_tls(&mut rest).unwrap();
            to.process_new_packets()?;
        }
        Ok(())
    }

    fn trusting(ca_file: &str) -> TlsOptions {
        TlsOptions { ca_file: Some(ca_file.into()), ..TlsOptions::default() }
    }

    #[test]
    fn a_certificate_is_verified_unless_told_otherwise() {
        let room = Room::new();
        assert_eq!(room.meet(&trusting("server.pem")), Ok(false));
        // The machine does not know it, and another authority has not signed it.
        for options in [TlsOptions::default(), trusting("client.pem")] {
            let refusal = room.meet(&options).unwrap_err();
            assert!(matches!(refusal, rustls::Error::InvalidCertificate(_)), "{refusal}");
        }
        let anybody = TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() };
        assert_eq!(room.meet(&anybody), Ok(false));
    }

    #[test]
    fn our_own_certificate_is_shown() {
        let room = Room::new();
        let own = TlsOptions {
            certificate_file: Some("client.pem".into()),
            key_file: Some("client.key".into()),
            ..trusting("server.pem")
        };
        assert_eq!(room.meet(&own), Ok(true));
        let mixed = TlsOptions { certificate_file: Some("server.pem".into()), ..own.clone() };
        let message = room.config(&mixed).unwrap_err().to_string();
        assert!(message.contains("server.pem and") && message.contains("client.key cannot"), "{message}");
        let half = TlsOptions { key_file: None, ..own };
        assert!(room.config(&half).unwrap_err().to_string().contains("needs the `key_file`"));
    }

    #[test]
    fn files_that_are_missing_or_hold_something_else_are_named() {
        let room = Room::new();
        let path = room.folder.path();
        std::fs::write(path.join("text"), "nothing").unwrap();
        let refusal = |options: &TlsOptions| room.config(options).unwrap_err();
        assert!(refusal(&trusting("missing.pem")).to_string().contains("missing.pem failed"));
        assert!(refusal(&trusting("text")).to_string().ends_with("text holds no usable certificate"));
        std::fs::write(path.join("hollow.pem"), pem("CERTIFICATE", b"hollow")).unwrap();
        assert!(refusal(&trusting("hollow.pem")).to_string().ends_with("holds no usable authority"));
    }

    #[test]
    fn a_key_in_a_broken_file_is_not_repeated() {
        let room = Room::new();
        let options = TlsOptions {
            certificate_file: Some("client.pem".into()),
            key_file: Some("one-line.key".into()),
            ..TlsOptions::default()
        };
        let start = "-----BEGIN PRIVATE KEY-----hunter2";
        for text in [start.to_owned(), format!("{start}-----END PRIVATE KEY-----")] {
            std::fs::write(room.folder.path().join("one-line.key"), &text).unwrap();
            let error = room.config(&options).unwrap_err();
            assert!(error.to_string().ends_with("one-line.key holds no usable private key"), "{error}");
            assert_eq!(error.chain(), error.to_string(), "{text}");
        }
    }
}

//! Certificates over TLS: a server that the system does not trust learns nothing, not even a request line.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sluicebox_core::ErrorClass;
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, ClientConfig, Error as TlsError, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{client, context};

const NOW: &str = "2026-06-12T10:00:00Z";
const BEARER: &str = r#"{"bearer":"planted-bearer"}"#;
const OAUTH: &str = r#"{"oauth":{"client_id":"b@1","client_secret":"planted-secret"}}"#;

/// A server for `127.0.0.1` whose certificate is right in everything but that nobody has signed it.
struct SelfSignedServer {
    address: String,
    certificate: CertificateDer<'static>,
    /// For each connection, in order: the first decrypted bytes, or why there were none.
    heard: UnboundedReceiver<io::Result<String>>,
}

impl SelfSignedServer {
    async fn start() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let certificate = cert.der().clone();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, heard) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let _ = tell.send(hear(&acceptor, connection).await);
            }
        });
        Self { address, certificate, heard }
    }
}

async fn hear(acceptor: &TlsAcceptor, connection: TcpStream) -> io::Result<String> {
    let mut connection = acceptor.accept(connection).await?;
    let mut bytes = [0; 4096];
    let length = connection.read(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// What anybody who trusts the certificate can say to the server: it is the client's choice to say nothing.
async fn say_as_one_who_trusts(server: &SelfSignedServer, words: &str) {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connection = TcpStream::connect(&server.address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut connection = TlsConnector::from(Arc::new(config)).connect(name, connection).await.unwrap();
    connection.write_all(words.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_gets_no_request_and_no_credentials() {
    let mut server = SelfSignedServer::start().await;
    let url = format!("https://{}", server.address);
    for (auth, request) in [(BEARER, "GET URL/v2/updates"), (OAUTH, "POST URL/oauth/token")] {
        let client = client(&url, Some(auth), &context(NOW));
        let error = client.get("/v2/updates").await.unwrap_err();
        let wanted = format!("{request} failed: the server's certificate could not be verified");
        assert_eq!(error.to_string(), wanted.replace("URL", &url));
        assert_eq!(error.class(), ErrorClass::Transient, "a certificate may be renewed");
        assert!(error.help().unwrap().contains("ca-certificates"));
        assert!(error.chain().contains("UnknownIssuer"), "{}", error.chain());
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");

        let refusal = server.heard.recv().await.unwrap().unwrap_err();
        let refusal = refusal.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
        assert_eq!(refusal, Some(&TlsError::AlertReceived(AlertDescription::UnknownCA)));
    }
    say_as_one_who_trusts(&server, "GET / HTTP/1.1").await;
    assert_eq!(server.heard.recv().await.unwrap().unwrap(), "GET / HTTP/1.1");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_file_or_by_a_user_who_trusts_anybody() {
    let mut server = SelfSignedServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64::engine::general_purpose::STANDARD.encode(&server.certificate)
    );
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    let mut cx = context(NOW);
    cx.folder = folder.path().to_path_buf();
    for tls in [r#"{"ca_file":"ca.pem"}"#, r#"{"insecure_skip_verify":true}"#] {
        let options = ClientOptions {
            base_url: BaseUrl::parse(&format!("https://{}", server.address)).unwrap(),
            auth: serde_json::from_str(BEARER).unwrap(),
            rate: Rate::Unlimited,
            limits: Limits::default(),
        };
        let client = Client::with_tls(options, &serde_json::from_str(tls).unwrap(), &cx).unwrap();
        // The server hangs up after it has listened.
        assert!(client.get("/v2/updates").await.is_err());
        let heard = server.heard.recv().await.unwrap().unwrap();
        assert!(!heard.is_empty(), "{tls}");
    }
}

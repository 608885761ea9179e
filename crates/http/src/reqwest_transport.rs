//! The network: reqwest with rustls, no redirects, no cookies.
//!
//! Invariant: plain http is sent without a proxy (it only ever goes to this machine), https verifies the certificate
//! against the system's trust (or that of `tls`) and obeys the usual proxy variables.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use http::Method;
use http::header::CONTENT_LENGTH;

use sluicebox_core::{Error, TlsOptions};

use crate::{Fault, Request, Response, Transport, TransportError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections kept per host; each may hold a read buffer of up to some hundreds of KiB.
const IDLE_CONNECTIONS: usize = 8;

/// Sends requests with reqwest. Connections are kept and shared by all who share the transport.
#[derive(Debug, Default)]
pub struct ReqwestTransport {
    /// For plain http: no proxy and no trust store, so that it works on a machine without certificates.
    plain: OnceLock<reqwest::Client>,
    /// For https: built at the first use, because reading the system's certificates takes time and may fail.
    secure: OnceLock<reqwest::Client>,
}

impl ReqwestTransport {
    /// A transport without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// A transport whose https trusts and shows what `tls` says; its files are relative to `folder`, and read now.
    ///
    /// # Errors
    /// `Config` if a file cannot be read or used.
    pub fn with_tls(tls: &TlsOptions, folder: &Path) -> sluicebox_core::Result<Self> {
        let secure = crate::tls::apply(tls, builder().https_only(true), folder)?;
        let secure = secure
            .build()
            .map_err(|error| Error::config("the certificates of `tls` cannot be used").with_cause(error))?;
        Ok(Self { plain: OnceLock::new(), secure: OnceLock::from(secure) })
    }

    fn client(&self, scheme: &str) -> Result<&reqwest::Client, TransportError> {
        let (cell, plain) = if scheme == "https" { (&self.secure, false) } else { (&self.plain, true) };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = build(plain).map_err(|error| TransportError::caused_by(Fault::Certificate, error))?;
        Ok(cell.get_or_init(|| client))
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_headers(128)
}

fn build(plain: bool) -> reqwest::Result<reqwest::Client> {
    let builder = builder();
    if plain { builder.no_proxy().tls_certs_only([]).build() } else { builder.https_only(true).build() }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let client = self.client(request.url.scheme())?;
        // Without a body none of the libraries states a length, and some servers insist on one (RFC 9110, section 8.6).
        let expects_length = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        let mut outgoing = client.request(request.method, request.url).headers(request.headers);
        if !request.body.is_empty() {
            outgoing = outgoing.body(request.body);
        } else if expects_length {
            outgoing = outgoing.header(CONTENT_LENGTH, 0);
        }
        let sent = outgoing.send().await.map_err(|error| describe(error, Fault::Broken))?;
        let status = sent.status();
        let headers = sent.headers().clone();
        let body = sent.bytes_stream().map_err(|error| describe(error, Fault::Body)).boxed();
        Ok(Response { status, headers, body })
    }
}

/// Finds the fault in reqwest's chain of causes, and takes the URL (which may be signed) out of it.
fn describe(error: reqwest::Error, otherwise: Fault) -> TransportError {
    let fault = if error.is_builder() {
        Fault::Unsendable
    } else if error.is_connect() {
        connect_fault(&error)
    } else {
        otherwise
    };
    TransportError::caused_by(fault, error.without_url())
}

fn connect_fault(error: &reqwest::Error) -> Fault {
    if error.is_timeout() {
        return Fault::ConnectTimeout;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        // The connector's own error type is private: its text is all there is.
        let text = error.to_string();
        if text == "dns error" {
            return Fault::Resolve;
        }
        if text.contains("certificate") {
            return Fault::Certificate;
        }
        if error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Fault::Refused;
        }
        cause = error.source();
    }
    Fault::Connect
}

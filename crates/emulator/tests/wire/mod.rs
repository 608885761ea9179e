//! A client of a few lines over a plain TCP connection: it sees exactly the bytes that a server sends, so that a test
//! can tell a cut body from a short one and a reset from a close.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "test code, of which each test uses its own part"
)]

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sluicebox_emulator::{Credentials, Emulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back over the wire.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether as much of the body arrived as the headers promised.
    pub(crate) whole: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The items of a page of either API.
    pub(crate) fn items(&self) -> Vec<Value> {
        let page = self.json();
        page.get("events").or(page.get("updates")).and_then(Value::as_array).unwrap().clone()
    }

    /// The next cursor of a page of either API.
    pub(crate) fn next(&self) -> Option<String> {
        let page = self.json();
        page.get("nextCursor").or(page.get("nextOffset")).unwrap().as_str().map(ToOwned::to_owned)
    }
}

/// Sends a request on a connection of its own and reads until the server closes it.
pub(crate) async fn exchange(
    address: SocketAddr,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Received> {
    let mut stream = TcpStream::connect(address).await?;
    let mut request = format!("{method} {uri} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> io::Result<Received> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { join_chunks(&bytes[end + 4..]) } else { bytes[end + 4..].to_vec() };
    let promised =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let whole = promised.is_none_or(|length: usize| body.len() == length);
    Ok(Received { status, headers, body, whole })
}

fn join_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..][..length]);
        bytes = &bytes[end + 2 + length + 2..];
    }
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) fn sign(secret: &str, timestamp: i64, uri: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{uri}").as_bytes());
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

/// A GET with its credentials, ready to be sent.
pub(crate) struct Prepared {
    address: SocketAddr,
    uri: String,
    headers: Vec<(&'static str, String)>,
}

impl Prepared {
    pub(crate) async fn send(&self) -> io::Result<Received> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        exchange(self.address, "GET", &self.uri, &headers, "").await
    }
}

/// Prepares a GET with the current credentials of an account, signed if the API wants that.
pub(crate) fn prepare(emulator: &Emulator, account: u32, uri: &str) -> Prepared {
    let address = emulator.address();
    match emulator.credentials(account).unwrap() {
        Credentials::OpenTrain { token } => {
            let headers = vec![("Authorization", format!("Bearer {token}"))];
            Prepared { address, uri: format!("/api/public/v1{uri}"), headers }
        }
        Credentials::Zenzap { key, secret, .. } => {
            let timestamp = now();
            let headers = vec![
                ("Authorization", format!("Bearer {key}")),
                ("X-Timestamp", timestamp.to_string()),
                ("X-Signature", sign(&secret, timestamp, uri)),
            ];
            Prepared { address, uri: uri.to_owned(), headers }
        }
        Credentials::Slack { token, .. } => {
            let headers = vec![("Authorization", format!("Bearer {token}"))];
            Prepared { address, uri: format!("/api{uri}"), headers }
        }
    }
}

pub(crate) async fn get_as(emulator: &Emulator, account: u32, uri: &str) -> io::Result<Received> {
    prepare(emulator, account, uri).send().await
}

pub(crate) async fn get(emulator: &Emulator, uri: &str) -> Received {
    get_as(emulator, 0, uri).await.unwrap()
}

/// Percent-encodes the characters of base64 that a query cannot carry.
pub(crate) fn encode(offset: &str) -> String {
    offset.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

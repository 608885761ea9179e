//! A client of a few lines over a plain TCP connection: it sees exactly the bytes that a server sends, so that a test
//! can tell a cut body from a short one and a reset from a close.

#![allow(dead_code, reason = "each test uses its own part of it")]

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
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
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
    let body = bytes[end + 4..].to_vec();
    let promised =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let whole = promised.is_none_or(|length: usize| body.len() == length);
    Ok(Received { status, headers, body, whole })
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

pub(crate) fn sign(secret: &str, timestamp: i64, uri: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{uri}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// GETs with the current credentials of an account, signed if the API wants that.
pub(crate) async fn get_as(emulator: &Emulator, account: u32, uri: &str) -> io::Result<Received> {
    match emulator.credentials(account).unwrap() {
        Credentials::OpenTrain { token } => {
            let uri = format!("/api/public/v1{uri}");
            let bearer = format!("Bearer {token}");
            exchange(emulator.address(), "GET", &uri, &[("Authorization", &bearer)], "").await
        }
        Credentials::Zenzap { key, secret, .. } => {
            let timestamp = now();
            let (bearer, signature) = (format!("Bearer {key}"), sign(&secret, timestamp, uri));
            let timestamp = timestamp.to_string();
            let headers = [
                ("Authorization", bearer.as_str()),
                ("X-Timestamp", &timestamp),
                ("X-Signature", &signature),
            ];
            exchange(emulator.address(), "GET", uri, &headers, "").await
        }
    }
}

pub(crate) async fn get(emulator: &Emulator, uri: &str) -> Received {
    get_as(emulator, 0, uri).await.unwrap()
}

/// Percent-encodes the characters of base64 that a query cannot carry.
pub(crate) fn encode(offset: &str) -> String {
    offset.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

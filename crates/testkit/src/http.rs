//! A client for the admin server and for the control paths of emulators: one request, one connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::PATIENCE;

/// What a server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// `GET` of an `http://` address; `None` if nobody answers.
pub fn get(url: &str) -> Option<Answer> {
    request("GET", url, &[], "")
}

/// Any request to an `http://` address, with headers `Name: value`; `None` if nobody answers whole.
pub fn request(method: &str, url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut lines = vec![format!("{method} /{path} HTTP/1.1"), "Connection: close".to_owned()];
    lines.push(format!("Content-Length: {}", body.len()));
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        lines.push(format!("Host: {host}"));
    }
    lines.extend(headers.iter().map(|header| (*header).to_owned()));
    stream.write_all(format!("{}\r\n\r\n{body}", lines.join("\r\n")).as_bytes()).ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Some(Answer { status, body })
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else { break };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

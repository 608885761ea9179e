//! What the tests of this sink share: a context, and a server that says what a test wants.

use std::sync::Arc;

use sluicebox_core::Context;

/// A pipeline of its own.
pub(crate) fn context() -> Context {
    sluicebox_testkit::context("payments", "alerts")
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path with its query.
    pub(crate) line: String,
    /// The headers, as `name: value` in lower-case names.
    pub(crate) headers: Vec<String>,
    pub(crate) body: serde_json::Value,
    pub(crate) at: std::time::Instant,
}

impl Seen {
    /// The text of the message.
    pub(crate) fn text(&self) -> &str {
        self.body["text"].as_str().unwrap()
    }
}

/// What the server says to one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Success, in the form that belongs to the path.
    Ok,
    /// A status with headers (`Name: value\r\n` each) and a body.
    Say(u16, &'static str, &'static str),
    /// The request is read, and the connection ends.
    Cut,
}

/// A server over TCP that answers in turn what a test says, and then success; ends with the test's process.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    seen: Arc<parking_lot::Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn new(replies: &[Reply]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let (mut replies, log) = (std::collections::VecDeque::from(replies.to_vec()), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &mut replies, &log);
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The texts of all messages that came, refused ones included.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.text().to_owned()).collect()
    }
}

fn serve(
    mut stream: std::net::TcpStream,
    replies: &mut std::collections::VecDeque<Reply>,
    log: &parking_lot::Mutex<Vec<Seen>>,
) {
    use std::io::{BufRead, BufReader, Read, Write};
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let number = {
        let mut log = log.lock();
        log.push(Seen { line: line.clone(), headers, body, at: std::time::Instant::now() });
        log.len()
    };
    let (status, headers, body) = match replies.pop_front().unwrap_or(Reply::Ok) {
        Reply::Cut => return,
        Reply::Say(status, headers, body) => (status, headers, body.to_owned()),
        Reply::Ok if line.ends_with("/chat.postMessage") => {
            let ts = format!("1503435956.{number:06}");
            (200, "", format!(r#"{{"ok":true,"channel":"C1","ts":"{ts}","message":{{"text":"x"}}}}"#))
        }
        Reply::Ok => (200, "", "ok".to_owned()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // A client that has gone away is its own affair.
    let _ = stream.write_all((head + body.as_str()).as_bytes());
}

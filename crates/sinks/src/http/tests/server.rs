//! A server that answers as a test says and remembers every byte that it was sent.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request, whole.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// Request line and headers.
    pub(super) head: String,
    pub(super) body: String,
}

impl Received {
    /// `POST /path?query`.
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What to do about a request.
pub(super) enum Reply {
    /// Answer with a status, headers (each line with its end) and a body.
    Answer(u16, String, String),
    /// The same, after a while.
    Slowly(Duration, u16),
    /// The same, not before this line is in the journal.
    Behind(&'static str, u16),
    /// Close the connection without an answer.
    Close,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), String::new())
    }

    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, String::new(), body.into())
    }
}

/// One connection a request.
pub(super) struct Server {
    pub(super) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    /// `> body` when a request has come, `< body` when its answer goes out.
    journal: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (received, journal) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (seen, told, answer) = (Arc::clone(&received), Arc::clone(&journal), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (seen, told, answer) = (Arc::clone(&seen), Arc::clone(&told), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = receive(&mut connection).await else { return };
                    let number = {
                        let mut seen = seen.lock();
                        seen.push(request.clone());
                        seen.len() - 1
                    };
                    told.lock().push(format!("> {}", request.body));
                    let reply = match answer(number, &request) {
                        Reply::Behind(line, status) => {
                            while !told.lock().iter().any(|found| found == line) {
                                tokio::time::sleep(Duration::from_millis(2)).await;
                            }
                            Reply::status(status)
                        }
                        reply => reply,
                    };
                    respond(&mut connection, reply, || told.lock().push(format!("< {}", request.body))).await;
                });
            }
        });
        Self { url, received, journal }
    }

    /// Answers everything with 200.
    pub(super) async fn accepting() -> Self {
        Self::start(|_, _| Reply::status(200)).await
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.received().into_iter().map(|request| request.body).collect()
    }

    pub(super) fn journal(&self) -> Vec<String> {
        self.journal.lock().clone()
    }
}

async fn receive(connection: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let request = Received { head: head.to_owned(), body: body.to_owned() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Some(request);
        }
    }
}

async fn respond(connection: &mut TcpStream, reply: Reply, tell: impl FnOnce()) {
    let (status, headers, body) = match reply {
        Reply::Close | Reply::Behind(..) => return,
        Reply::Answer(status, headers, body) => (status, headers, body),
        Reply::Slowly(pause, status) => {
            tokio::time::sleep(pause).await;
            (status, String::new(), String::new())
        }
    };
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    tell();
    // A client that has gone away is its own affair.
    let _ = connection.write_all(text.as_bytes()).await;
    let _ = connection.shutdown().await;
}

//! A server that answers what a test says, for what no honest API and no emulator would send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Serves for as long as the test's process lives; one thread a connection, one request a connection.
pub struct Stub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What a [`Stub`] says.
pub enum Reply {
    /// A status and a JSON body.
    Json(u16, String),
    /// Nothing, and the connection stays open.
    Silence,
}

impl Stub {
    /// Answers each request with what `answer` makes of its path and query.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn new(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
        Self { address, requests }
    }

    /// An OpenTrain feed with these items, told apart by their place in it: the first has the cursor 1.
    ///
    /// # Panics
    /// As [`Stub::new`].
    pub fn feed(items: Vec<String>) -> Self {
        Self::new(move |target| {
            let Some(query) = target.strip_prefix("/updates?") else {
                return Reply::Json(404, "{}".to_owned());
            };
            let number = |name: &str| {
                let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                value.and_then(|value| value.parse::<usize>().ok())
            };
            let start = number("cursor").unwrap_or(0).min(items.len());
            let end = items.len().min(start + number("limit").unwrap_or(50));
            let (page, more) = (items[start..end].join(","), end < items.len());
            let body = format!("{{\"events\":[{page}],\"nextCursor\":\"{end}\",\"hasMore\":{more}}}");
            Reply::Json(200, body)
        })
    }

    /// An event of OpenTrain with this id and `data`.
    pub fn event(id: usize, data: &str) -> String {
        format!(
            "{{\"id\":\"{id}\",\"type\":\"x.y\",\"createdAt\":\"2026-06-12T10:00:00.000Z\",\"data\":{data}}}"
        )
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths and queries that were asked for, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Reply, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(&stream);
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let length =
        |line: String| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
    let length: Option<u64> = lines.take_while(|line| !line.is_empty()).filter_map(length).last();
    // A body that is left unread would reset the connection under the answer.
    let _ = std::io::copy(&mut reader.take(length.unwrap_or(0)), &mut std::io::sink());
    let target = first.split(' ').nth(1).unwrap_or_default();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    match answer(target) {
        Reply::Json(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // A client that has gone away is its own affair.
            let _ = stream.write_all((head + &body).as_bytes());
        }
        Reply::Silence => {
            // Until the client gives up.
            BufReader::new(&stream).lines().map_while(Result::ok).for_each(drop);
        }
    }
}

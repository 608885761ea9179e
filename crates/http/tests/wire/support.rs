//! A raw TCP server that answers as scripted, and an environment on the real clock, for the client's tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use sluicebox_core::{Chance, Clock, Context, Delivery, Environment, RetryOptions, Shared, Timestamp};
use sluicebox_http::{Auth, BaseUrl, Client, ClientOptions, Limits, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The real clock, shifted.
pub(crate) struct ShiftedClock {
    start: Instant,
    now: Timestamp,
}

#[async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.start.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(self.now.as_millis() + passed)
    }
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) struct NoChance;
impl Chance for NoChance {
    fn next_u64(&self) -> u64 {
        0
    }
}

pub(crate) fn context(now: &str) -> Context {
    let now = Timestamp::parse(now).unwrap();
    Context {
        pipeline: "test".into(),
        component: "chat".into(),
        account: "chat".into(),
        folder: ".".into(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: Environment {
            clock: Arc::new(ShiftedClock { start: Instant::now(), now }),
            chance: Arc::new(NoChance),
        },
        shared: Shared::default(),
    }
}

/// Bytes to write as they are, each part after a pause; the connection is closed after the last.
pub(crate) type Script = Vec<(Duration, Vec<u8>)>;

/// Answers each request (one per connection) by what the handler returns for its head and body.
pub(crate) struct RawServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    pub(crate) async fn start(answer: impl Fn(u64, &str) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen, number) = (Arc::new(answer), Arc::clone(&requests), Arc::new(AtomicU64::new(0)));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen, number) = (Arc::clone(&answer), Arc::clone(&seen), Arc::clone(&number));
                tokio::spawn(async move {
                    let mut connection = connection;
                    let Some(request) = read_request(&mut connection).await else { return };
                    seen.lock().push(request.clone());
                    for (pause, bytes) in answer(number.fetch_add(1, Ordering::SeqCst), &request) {
                        tokio::time::sleep(pause).await;
                        if connection.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    let _ = connection.shutdown().await;
                });
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = connection.read(&mut chunk).await.ok()?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if read == 0 {
            return None;
        }
    }
}

/// A header of a recorded request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// What stands between `GET ` and ` HTTP/1.1`.
pub(crate) fn target(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}

/// A complete answer in one part.
pub(crate) fn reply(status: &str, headers: &str, body: &str) -> Script {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    vec![(Duration::ZERO, text.into_bytes())]
}

pub(crate) fn client(url: &str, auth: Option<&str>, cx: &Context) -> Arc<Client> {
    let limits =
        Limits { read: Duration::from_secs(20), total: Duration::from_secs(30), body_bytes: 64 << 10 };
    let auth: Option<Auth> = auth.map(|text| serde_json::from_str(text).unwrap());
    let base_url = BaseUrl::parse(url).unwrap();
    Client::new(ClientOptions { base_url, auth, rate: Rate::Unlimited, limits }, cx).unwrap()
}

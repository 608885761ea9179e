//! The receiver over real connections: who is let in, what is answered, what is bounded.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use sluicebox_core::{Background, ByteSize, Context, Secret};
use sluicebox_webhooks::{Delivery, Endpoint, Listening, Receive, Scheme, Taken, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Keeps what it is handed, and answers as it was told.
#[derive(Default)]
struct Pile {
    deliveries: Mutex<Vec<Delivery>>,
    answer: Mutex<Option<Taken>>,
}

#[async_trait]
impl Receive for Pile {
    async fn receive(&self, delivery: Delivery) -> Taken {
        self.deliveries.lock().push(delivery);
        self.answer.lock().clone().unwrap_or(Taken::Kept)
    }
}

const SECRET: &str = "whsec_test";

struct Scene {
    address: SocketAddr,
    pile: Arc<Pile>,
    cx: Context,
    listening: Listening,
}

impl Scene {
    async fn new() -> Self {
        let cx = sluicebox_testkit::context("p", "hooks");
        let pile = Arc::new(Pile::default());
        let listening = listen(&cx, &endpoint("/a", &[Secret::new(SECRET)]), pile.clone()).await.unwrap();
        for (_, work) in Background::of(&cx.shared).take() {
            tokio::spawn(work);
        }
        Self { address: listening.address(), pile, cx, listening }
    }

    fn headers(&self, body: &[u8]) -> String {
        let seconds = self.cx.environment.clock.now().as_millis() / 1000;
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        let hex =
            mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!("X-OpenTrain-Signature: t={seconds},v1={hex}\r\nX-OpenTrain-Delivery: d1\r\n")
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes and reads what comes back before the other end is quiet or closes.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }
}

fn endpoint<'o>(path: &'o str, secrets: &'o [Secret]) -> Endpoint<'o> {
    Endpoint { listen: "127.0.0.1:0", path, scheme: Scheme::Opentrain, secrets, max_body: ByteSize(1000) }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn a_signed_delivery_is_handed_on_as_it_was_sent() {
    let scene = Scene::new().await;
    let body = br#"{ "id":"1042","type":"proposal.received","createdAt":"2026-06-12T10:00:00Z" }"#;
    assert_eq!(status(&scene.post("/a", &scene.headers(body), body).await), "200");
    let deliveries = scene.pile.deliveries.lock().clone();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].id.as_str(), deliveries[0].event_type.as_str()), ("d1", "proposal.received"));
    assert_eq!(deliveries[0].body.as_ref(), body);
}

#[tokio::test]
async fn whoever_cannot_sign_is_refused_and_seen_by_nobody() {
    let scene = Scene::new().await;
    let good = scene.headers(b"{}");
    let old = "X-OpenTrain-Signature: \
               t=1781258400,v1=eb7d367c9c1637538714182729907bc8de72f0cdc4ba85b92bc9612d1cc4bc8f\r\n";
    for (path, headers, body, expected) in [
        ("/a", "", &b"{}"[..], "401"),
        ("/a", good.as_str(), b"{ }", "401"),
        ("/a", old, br#"{"id":"1042","type":"proposal.received"}"#, "401"),
        ("/b", good.as_str(), b"{}", "404"),
        ("/a", good.as_str(), &[b'0'; 1001], "413"),
        ("/a", "Content-Encoding: br\r\n", b"{}", "415"),
        ("/a", "Content-Encoding: gzip\r\n", b"{}", "400"),
    ] {
        let answer = scene.post(path, headers, body).await;
        assert_eq!(status(&answer), expected, "{path} {headers} {answer}");
    }
    assert_eq!(status(&scene.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await), "405");
    assert!(scene.pile.deliveries.lock().is_empty());
}

#[tokio::test]
async fn a_packed_body_is_unpacked_before_it_is_verified_and_a_bomb_is_not() {
    let scene = Scene::new().await;
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let headers = format!("Content-Encoding: gzip\r\n{}", scene.headers(b"{\"a\":1}"));
    assert_eq!(status(&scene.post("/a", &headers, &pack(b"{\"a\":1}")).await), "200");
    assert_eq!(scene.pile.deliveries.lock()[0].body.as_ref(), b"{\"a\":1}");
    assert_eq!(status(&scene.post("/a", &headers, &pack(&vec![b'0'; 100_000])).await), "413");
}

#[tokio::test]
async fn a_chunked_body_is_bounded_too() {
    let scene = Scene::new().await;
    let head =
        format!("POST /a HTTP/1.1\r\nHost: x\r\n{}Transfer-Encoding: chunked\r\n\r\n", scene.headers(b"{}"));
    assert_eq!(status(&scene.send(format!("{head}2\r\n{{}}\r\n0\r\n\r\n").as_bytes()).await), "200");
    let large = format!("{head}7d0\r\n{}\r\n0\r\n\r\n", "0".repeat(2000));
    assert_eq!(status(&scene.send(large.as_bytes()).await), "413");
}

#[tokio::test]
async fn what_cannot_be_taken_now_is_asked_for_again() {
    let scene = Scene::new().await;
    *scene.pile.answer.lock() = Some(Taken::Full(Duration::from_secs(30)));
    let answer = scene.post("/a", &scene.headers(b"{}"), b"{}").await.to_lowercase();
    assert!(status(&answer) == "503" && answer.contains("retry-after: 30\r\n"), "{answer}");
    *scene.pile.answer.lock() = Some(Taken::Failed("disk full".to_owned()));
    let answer = scene.post("/a", &scene.headers(b"{}"), b"{}").await;
    assert!(status(&answer) == "503" && !answer.contains("disk"), "{answer}");
    *scene.pile.answer.lock() = Some(Taken::Known);
    assert_eq!(status(&scene.post("/a", &scene.headers(b"{}"), b"{}").await), "200");
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_in_time() {
    let scene = Scene::new().await;
    let many = (0..65).fold(String::new(), |lines, number| lines + &format!("h{number}: x\r\n"));
    assert_eq!(status(&scene.post("/a", &many, b"{}").await), "431");
    let long = format!("h: {}\r\n", "x".repeat(40 << 10));
    assert_eq!(status(&scene.post("/a", &long, b"{}").await), "431");
    // Nothing but the time that passes can end these.
    tokio::time::pause();
    for start in ["", "POST /a HTTP/1.1\r\nHos"] {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a connection that says {start:?} and no more is closed");
    }
}

#[tokio::test]
async fn sources_share_an_address_but_no_path() {
    let scene = Scene::new().await;
    let secrets = [Secret::new("other")];
    let of = |account: &str| Context { account: account.into(), ..scene.cx.clone() };
    let north = listen(&of("north"), &endpoint("/b", &secrets), scene.pile.clone()).await.unwrap();
    assert_eq!(north.address(), scene.address);
    assert_eq!(status(&scene.post("/b", &scene.headers(b"{}"), b"{}").await), "401", "each has its secrets");
    let error = listen(&of("south"), &endpoint("/b", &secrets), scene.pile.clone()).await.err().unwrap();
    assert!(error.to_string().contains("two sources or accounts listen"), "{error}");
    let taken = scene.address.to_string();
    let other = sluicebox_testkit::context("p", "other");
    let endpoint = Endpoint { listen: &taken, ..endpoint("/c", &secrets) };
    let error = listen(&other, &endpoint, scene.pile.clone()).await.err().unwrap();
    assert!(error.to_string().contains("cannot listen on"), "{error}");
}

#[tokio::test]
async fn an_account_that_is_gone_is_not_listened_for_and_one_that_is_back_takes_its_place() {
    let Scene { address, pile, cx, listening } = Scene::new().await;
    let secrets = [Secret::new("other")];
    let again = listen(&cx, &endpoint("/a", &secrets), pile.clone()).await.unwrap();
    drop(listening);
    let scene = Scene { address, pile, cx, listening: again };
    assert_eq!(status(&scene.post("/a", &scene.headers(b"{}"), b"{}").await), "401", "its new secret counts");
    let Scene { address, pile, cx, listening } = scene;
    drop(listening);
    let elsewhere = listen(&cx, &endpoint("/z", &secrets), pile.clone()).await.unwrap();
    let scene = Scene { address, pile, cx, listening: elsewhere };
    assert_eq!(status(&scene.post("/a", &scene.headers(b"{}"), b"{}").await), "404");
}

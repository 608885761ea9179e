//! One attempt over TCP: deadlines, size limits, redirects, broken connections, the shared budget.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::support::{RawServer, Script, client, context, header, reply, target};
use http::Method;
use sluicebox_core::ErrorClass;
use sluicebox_http::{Call, Limits, Receiver};

const NOW: &str = "2026-06-12T10:00:00Z";
const TOKEN: &str = r#"{"bearer":"hunter2"}"#;

fn at_once(text: impl Into<Vec<u8>>) -> (Duration, Vec<u8>) {
    (Duration::ZERO, text.into())
}

async fn failure(answer: impl Fn() -> Script + Send + Sync + 'static) -> sluicebox_core::Error {
    let server = RawServer::start(move |_, _| answer()).await;
    let cx = context(NOW);
    let error =
        client(&server.url, Some(TOKEN), &cx).get("/v2/updates?offset=secret-cursor").await.unwrap_err();
    let shown = format!("{} {:?}", error.chain(), error);
    assert!(!shown.contains("hunter2") && !shown.contains("secret-cursor"), "{shown}");
    error
}

#[tokio::test]
async fn redirects_are_not_followed_and_only_the_origin_is_named() {
    let elsewhere = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let location = format!("location: {}/login?token=abc\r\n", elsewhere.url);
    let error = failure(move || reply("302 Found", &location, "")).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "redirected"));
    assert!(error.to_string().contains(&elsewhere.url) && !error.to_string().contains("abc"), "{error}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_unfolds() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 50 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let error = failure(move || {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        vec![at_once(head), at_once(bomb.clone())]
    })
    .await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "too_large"));
}

#[tokio::test]
async fn a_plain_body_over_the_limit_is_refused_by_its_declared_length() {
    let error = failure(|| vec![at_once("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")]).await;
    assert_eq!(error.reason(), "too_large");
}

#[tokio::test]
async fn gzip_is_undone() {
    let server = RawServer::start(|_, request| {
        assert!(header(request, "accept-encoding").unwrap().contains("gzip"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"a\":1}").unwrap();
        let body = gzip.finish().unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
        vec![at_once(head), at_once(body)]
    })
    .await;
    let cx = context(NOW);
    assert_eq!(client(&server.url, None, &cx).get("/").await.unwrap().body, r#"{"a":1}"#);
}

#[tokio::test]
async fn a_body_that_is_cut_is_transient_and_says_where() {
    let error = failure(|| vec![at_once("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"events\":")]).await;
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().ends_with("the body was cut short after 10 bytes"), "{error}");
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_is_transient() {
    for sent in ["", "HTTP/1.1 2", "nonsense\r\n\r\n"] {
        let error = failure(move || vec![at_once(sent)]).await;
        assert_eq!(error.class(), ErrorClass::Transient, "{sent}");
        assert!(error.to_string().contains("the connection broke"), "{error}");
    }
}

async fn slow(
    script: impl Fn() -> Script + Send + Sync + 'static,
    read: Duration,
    total: Duration,
) -> String {
    let server = RawServer::start(move |_, _| script()).await;
    let cx = context(NOW);
    let client = client(&server.url, None, &cx);
    let limits = Limits { read, total, ..*client.limits() };
    let error = client.get_within("/x", &limits).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    error.to_string()
}

#[tokio::test]
async fn silence_ends_at_the_read_deadline_and_a_trickle_at_the_total() {
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(30));
    let silent = || vec![(Duration::from_secs(60), Vec::new())];
    let message = slow(silent, short, long).await;
    assert!(message.ends_with("no answer within 0.5 s"), "{message}");
    let trickle = || {
        let mut script = vec![at_once("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")];
        script.extend((0..1000).map(|_| (Duration::from_millis(50), b" ".to_vec())));
        script
    };
    let message = slow(trickle, long, short).await;
    assert!(message.contains("not complete within 0.5 s"), "{message}");
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cx = context(NOW);
    let error = client(&url, None, &cx).get("/x?y=1").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(error.to_string(), format!("GET {url}/x failed: connection refused"));
}

#[tokio::test]
async fn a_429_with_retry_after_holds_up_everybody_on_the_budget() {
    let server = RawServer::start(|number, _| match number {
        0 => reply("429 Too Many Requests", "retry-after: 1\r\n", ""),
        _ => reply("200 OK", "", "{}"),
    })
    .await;
    let cx = context(NOW);
    let client = client(&server.url, None, &cx);
    let answer = client.get("/a").await.unwrap();
    assert_eq!(answer.retry_after(), Some(Duration::from_secs(1)));
    let started = Instant::now();
    let answers = futures::future::join_all((0..3).map(|_| client.get("/b"))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn statuses_are_answers_and_excerpts_blot_out_secrets() {
    let server = RawServer::start(|_, _| reply("404 Not Found", "", "no token\nhunter2 here")).await;
    let cx = context(NOW);
    let client = client(&server.url, Some(TOKEN), &cx);
    let limits = Limits { body_bytes: 100, ..*client.limits() };
    let answer = client.get_within("/x", &limits).await.unwrap();
    assert_eq!(answer.status.as_u16(), 404);
    assert_eq!(client.excerpt(&answer), "no token … here");
}

/// Keeps what comes, chunk by chunk.
#[derive(Default)]
struct Kept(Vec<u8>);

#[async_trait::async_trait]
impl Receiver for Kept {
    async fn receive(&mut self, chunk: bytes::Bytes) -> sluicebox_core::Result<()> {
        self.0.extend_from_slice(&chunk);
        Ok(())
    }
}

#[tokio::test]
async fn a_body_is_handed_on_as_it_comes_and_ends_at_the_limit() {
    let server = RawServer::start(|_, request| match target(request) {
        "/whole" => reply("200 OK", "", "0123456789"),
        "/declared" => vec![at_once("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n")],
        "/sent" => vec![at_once(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
        )],
        "/cut" => vec![at_once("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n0123")],
        _ => reply("404 Not Found", "", "nothing here"),
    })
    .await;
    let cx = context(NOW);
    let client = client(&server.url, Some(TOKEN), &cx);
    let ask = async |target: &str| {
        let limits = Some(Limits { body_bytes: 10, ..Limits::default() });
        let mut kept = Kept::default();
        let answer = client.receive(Call { limits, ..Call::new(Method::GET, target) }, &mut kept).await;
        (answer.map(|answer| (answer.status.as_u16(), answer.body.len())), kept.0)
    };
    let (answer, kept) = ask("/whole").await;
    assert_eq!((answer.unwrap(), &kept[..]), ((200, 0), &b"0123456789"[..]));
    for (path, most) in [("/declared", 0), ("/sent", 8)] {
        let (answer, kept) = ask(path).await;
        assert_eq!(answer.unwrap_err().reason(), "too_large", "{path}");
        assert!(kept.len() <= most, "{path}");
    }
    let (answer, _) = ask("/cut").await;
    assert_eq!(answer.unwrap_err().class(), ErrorClass::Transient);
    let (answer, kept) = ask("/missing").await;
    assert_eq!((answer.unwrap(), kept.len()), ((404, 0), 0), "a refusal may be longer than the limit");
}

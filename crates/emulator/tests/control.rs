//! Steering an emulator over HTTP, what it remembers, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{exchange, get};

#[tokio::test]
async fn an_emulator_is_steered_over_http() {
    let emulator = start(Options { events: 5, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let ask = async |method: &str, uri: &str, body: &str| {
        exchange(emulator.address(), method, &format!("/_emulator/{uri}"), &[], body).await.unwrap()
    };
    assert_eq!(ask("POST", "fault", "status=503\nrate_limited=4@2\n").await.status, 204);
    let statuses = [get(&emulator, "/updates").await.status, get(&emulator, "/updates").await.status];
    assert_eq!(statuses, [503, 429]);
    assert_eq!(ask("POST", "append?n=3", "").await.status, 204);
    let page = get(&emulator, "/updates").await;
    let lines = ask("GET", "events", "").await;
    let served: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((served.len(), &served), (8, &page.items()));
    let log = ask("GET", "log?after=1", "").await;
    let log: Vec<Value> = log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len(), 2, "requests for control are not among the requests");
    assert_eq!(
        (&log[0]["fault"], &log[0]["retry_after"]),
        (&Value::from("rate_limited=4"), &Value::from(4.0))
    );
    assert_eq!(
        (&log[1]["path"], &log[1]["events"]),
        (&Value::from("/api/public/v1/updates"), &Value::from(8))
    );
    let stats = ask("GET", "stats", "").await.json();
    assert_eq!((&stats["polls"], &stats["faults"], &stats["visible"]), (&3.into(), &2.into(), &8.into()));
    assert_eq!(stats["statuses"]["503"], 1);
    assert_eq!(ask("POST", "revoke", "").await.status, 204);
    assert_eq!(get(&emulator, "/updates").await.status, 401);
    ask("POST", "rotate", "").await;
    let fresh = ask("GET", "credentials", "").await.json();
    assert_eq!(fresh, serde_json::to_value(emulator.credentials(0)).unwrap());
    for (method, uri, body) in [
        ("POST", "fault", "flood"),
        ("GET", "events?account=7", ""),
        ("POST", "append?n=x", ""),
        ("GET", "nothing", ""),
    ] {
        assert_eq!(ask(method, uri, body).await.status, 400, "{uri}");
    }
}

#[tokio::test]
async fn a_stop_drops_held_polls_and_frees_the_port() {
    let emulator = start(Options { events: 0, ..Options::new(Api::Zenzap) }).await.unwrap();
    let (address, control) = (emulator.address(), emulator.control());
    let mut idle = TcpStream::connect(address).await.unwrap();
    let request = wire::prepare(&emulator, 0, "/v2/updates?timeout=30");
    let held = tokio::spawn(async move { request.send().await });
    while control.stats().polls == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    emulator.stop().await;
    assert!(held.await.unwrap().is_err(), "a held poll gets no answer");
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0, "an idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_stop_waits_for_no_client_that_does_not_read() {
    let faults = vec!["oversized=64MiB".parse().unwrap()];
    let emulator = start(Options { faults, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let control = emulator.control();
    let mut stalled = TcpStream::connect(emulator.address()).await.unwrap();
    let token = serde_json::to_value(emulator.credentials(0)).unwrap()["token"].as_str().unwrap().to_owned();
    let head =
        format!("GET /api/public/v1/updates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stalled.write_all(head.as_bytes()).await.unwrap();
    while control.log().first().and_then(|record| record.status).is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stalled.readable().await.unwrap();
    // Without the end of the connection, this would wait for ever.
    emulator.stop().await;
}

#[tokio::test]
async fn dropping_is_stopping() {
    let emulator = start(Options::new(Api::OpenTrain)).await.unwrap();
    let address = emulator.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    drop(emulator);
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let emulator = start(Options::new(Api::OpenTrain)).await.unwrap();
    let token = serde_json::to_value(emulator.credentials(0)).unwrap()["token"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
    for _ in 0..3 {
        let request = format!(
            "GET /api/public/v1/updates?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = String::new();
        while !seen.ends_with("\"hasMore\":true}") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
    }
    assert_eq!(emulator.control().stats().requests, 3);
}

#[tokio::test]
async fn latency_is_added_to_every_answer() {
    let latency = Duration::from_millis(60);
    let emulator = start(Options { latency, ..Options::new(Api::OpenTrain) }).await.unwrap();
    get(&emulator, "/updates").await;
    let record = emulator.control().log().pop().unwrap();
    assert!(record.answered.unwrap() >= record.arrived + latency);
}

#[tokio::test]
async fn a_feed_can_be_generated_beforehand() {
    let options = Options { events: 3000, prerender: true, ..Options::new(Api::OpenTrain) };
    let early = start(options.clone()).await.unwrap();
    let late = start(Options { prerender: false, ..options }).await.unwrap();
    assert_eq!(early.control().events(0), late.control().events(0));
}

//! Webhooks of the marketplace: section 10 of the contract over real TCP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test")]

mod wire;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sluicebox_emulator::{Api, Credentials, Emulator, Options, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::{Received, exchange};

/// What a subscriber was sent.
struct Posted {
    head: String,
    body: String,
}

impl Posted {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

/// Takes one delivery and answers it.
async fn take(listener: &TcpListener, status: u16) -> Posted {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        if body.len() == length.unwrap() {
            let answer =
                format!("HTTP/1.1 {status} Status\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return Posted { head: head.to_owned(), body: body.to_owned() };
        }
    }
}

async fn emulator() -> (Emulator, TcpListener) {
    let options =
        Options { events: 5, webhook_minute: Duration::from_millis(1), ..Options::new(Api::OpenTrain) };
    (start(options).await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap())
}

async fn create(emulator: &Emulator, body: &Value) -> Received {
    let Some(Credentials::OpenTrain { token }) = emulator.credentials(0) else { panic!("it is OpenTrain") };
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let uri = "/api/public/v1/webhooks";
    exchange(emulator.address(), "POST", uri, &headers, &body.to_string()).await.unwrap()
}

async fn subscribe(emulator: &Emulator, listener: &TcpListener) -> String {
    let url = format!("http://{}/hooks?a=b", listener.local_addr().unwrap());
    let types = [
        "proposal.received",
        "proposal.status_changed",
        "message.received",
        "contract.created",
        "milestone.status_changed",
        "payment.pending",
        "approval.confirmed",
        "contract.budget_state_changed",
    ];
    let made = create(emulator, &json!({ "url": url, "eventTypes": types })).await;
    assert_eq!((made.status, made.json()["webhook"]["status"].as_str()), (201, Some("ACTIVE")));
    made.json()["secret"].as_str().unwrap().to_owned()
}

/// One event more, byte for byte; with this seed it is of a type of the contract.
fn append(emulator: &Emulator) -> String {
    let control = emulator.control();
    control.append(0, 1);
    String::from_utf8(control.events(0).to_vec()).unwrap().lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_is_posted_signed_as_soon_as_it_is_there_and_nothing_before_the_subscription() {
    let (emulator, listener) = emulator().await;
    let secret = subscribe(&emulator, &listener).await;
    assert!(secret.starts_with("whsec_"));
    let event = append(&emulator);
    let posted = take(&listener, 204).await;
    assert_eq!(posted.body, event, "exactly one record, byte for byte");
    assert!(posted.head.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{}", posted.head);
    assert_eq!(posted.header("User-Agent"), "OpenTrain-Webhooks/1.0");
    let value: Value = serde_json::from_str(&event).unwrap();
    assert_eq!(Some(posted.header("X-OpenTrain-Event")), value["type"].as_str());
    let (time, given) = posted.header("X-OpenTrain-Signature").split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{}.{event}", time.strip_prefix("t=").unwrap()).as_bytes());
    let expected =
        mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(given, expected);
}

#[tokio::test]
async fn a_delivery_is_tried_five_times_under_one_id_and_ten_failures_in_a_row_switch_off() {
    let (emulator, listener) = emulator().await;
    subscribe(&emulator, &listener).await;
    for round in 0..2 {
        append(&emulator);
        let mut ids = Vec::new();
        for status in [500, 404, 302, 429, 503] {
            ids.push(take(&listener, status).await.header("X-OpenTrain-Delivery").to_owned());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{round}: {ids:?}");
    }
    let control = emulator.control();
    while control.webhook_attempts(0).len() < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let statuses: Vec<_> = control.webhook_attempts(0).iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses[..5], [Some(500), Some(404), Some(302), Some(429), Some(503)]);
    append(&emulator);
    let more = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
    assert!(more.is_err(), "it is switched off");
}

#[tokio::test]
async fn a_success_after_failures_is_the_end_of_a_delivery() {
    let (emulator, listener) = emulator().await;
    subscribe(&emulator, &listener).await;
    append(&emulator);
    take(&listener, 500).await;
    take(&listener, 200).await;
    let control = emulator.control();
    while control.webhook_attempts(0).len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let attempts: Vec<_> =
        control.webhook_attempts(0).into_iter().map(|attempt| (attempt.attempt, attempt.status)).collect();
    assert_eq!(attempts, [(1, Some(500)), (2, Some(200))]);
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let (emulator, _) = emulator().await;
    for (body, field) in [
        (json!({ "url": "http://example.com/a", "eventTypes": ["payment.pending"] }), "url"),
        (json!({ "url": "ftp://localhost/a", "eventTypes": ["payment.pending"] }), "url"),
        (json!({ "url": "http://localhost:1/a", "eventTypes": [] }), "eventTypes"),
        (json!({ "url": "http://localhost:1/a", "eventTypes": ["payment.unknown"] }), "eventTypes"),
    ] {
        let refused = create(&emulator, &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert_eq!(refused.json()["details"]["field"], field, "{body}");
    }
    let good = json!({ "url": "http://localhost:1/a", "eventTypes": ["payment.pending"] });
    for _ in 0..10 {
        assert_eq!(create(&emulator, &good).await.status, 201);
    }
    assert_eq!(create(&emulator, &good).await.status, 409, "ten are the limit");
    emulator.control().set_scopes(0, vec!["payments:read".to_owned()]);
    assert_eq!(create(&emulator, &good).await.status, 403);
}

#[tokio::test]
async fn an_address_that_is_given_at_the_start_hears_of_every_event() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = Some(format!("http://{}/hooks", listener.local_addr().unwrap()));
    let emulator = start(Options { events: 3, webhook, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let announced = serde_json::to_value(emulator.announcement()).unwrap();
    assert!(announced["webhook_secret"].as_str().unwrap().starts_with("whsec_"));
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(take(&listener, 200).await.body);
    }
    bodies.sort_unstable();
    let events = String::from_utf8(emulator.control().events(0).to_vec()).unwrap();
    let mut expected: Vec<&str> = events.lines().collect();
    expected.sort_unstable();
    assert_eq!(bodies, expected);
    for (api, webhook) in [(Api::OpenTrain, "https://example.com/"), (Api::Slack, "http://localhost:1/")] {
        let refused = start(Options { webhook: Some(webhook.to_owned()), ..Options::new(api) }).await;
        assert!(refused.is_err(), "{api} {webhook}");
    }
}

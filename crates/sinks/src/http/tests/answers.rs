//! What answers mean, by default and by rule; answers that never come; secrets in none of the errors.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Result, Written};

use super::server::{Reply, Server};
use super::{event, rejected, sink};

/// What becomes of one event (`accepted`, or class and reason) when the server answers like this.
async fn outcome(mut options: Value, reply: impl Fn() -> Reply + Send + Sync + 'static) -> String {
    let server = Server::start(move |_, _| reply()).await;
    options["url"] = json!(format!("{}{}", server.url, options["url"].as_str().unwrap_or("/hook")));
    outcome_of(&sink(options).await.write(&[event(1, "k")]).await)
}

fn outcome_of(result: &Result<Written>) -> String {
    match result {
        Err(error) => format!("stops: {} {}", error.class().as_str(), error.reason()),
        Ok(written) => match rejected(written).first() {
            None => "accepted".to_owned(),
            Some((_, class, reason)) => format!("rejected: {class} {reason}"),
        },
    }
}

#[tokio::test]
async fn every_status_has_a_meaning() {
    for (status, meaning) in [
        (200, "accepted"),
        (204, "accepted"),
        (301, "stops: config redirected"),
        (400, "rejected: permanent permanent"),
        (401, "stops: auth auth"),
        (403, "stops: auth auth"),
        (404, "stops: config config"),
        (408, "rejected: transient transient"),
        (409, "rejected: permanent permanent"),
        (410, "stops: config config"),
        (413, "rejected: permanent too_large"),
        (422, "rejected: permanent permanent"),
        (425, "rejected: transient transient"),
        (429, "stops: rate_limited rate_limited"),
        (500, "rejected: transient transient"),
        (503, "rejected: transient transient"),
    ] {
        assert_eq!(outcome(json!({}), move || Reply::status(status)).await, meaning, "{status}");
    }
    let of_event = json!({ "url": "/things/{{ event.n }}" });
    assert_eq!(outcome(of_event, || Reply::status(404)).await, "rejected: permanent permanent");
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    for status in [429, 503] {
        let asks =
            move |_: usize, _: &_| Reply::Answer(status, "retry-after: 7\r\n".to_owned(), String::new());
        let server = Server::start(asks).await;
        let result = sink(json!({ "url": server.url })).await.write(&[event(1, "k")]).await;
        let error = result.map_or_else(|error| error, |mut written| written.rejected.remove(0).error);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{status}");
        assert!(error.class().is_retryable());
    }
}

#[tokio::test]
async fn rules_decide_before_the_defaults_and_the_first_that_fits_holds() {
    let rules = json!({ "errors": [
        { "status": 409, "contains": "already", "then": "accept" },
        { "status": [400, "5xx"], "at": "/error/code", "equals": "busy", "then": "retry" },
        { "status": 200, "at": "/ok", "equals": "false", "then": "dead_letter" },
        { "at": "/stop", "then": "pause" },
        { "status": 200, "contains": "no", "then": "pause" }
    ]});
    for (status, body, meaning) in [
        (409, "it is there already", "accepted"),
        (409, "conflict", "rejected: permanent permanent"),
        (400, r#"{"error":{"code":"busy"}}"#, "rejected: transient transient"),
        (400, r#"{"error":{"code":"bad"}}"#, "rejected: permanent permanent"),
        (400, "busy", "rejected: permanent permanent"),
        (200, r#"{"ok":false,"why":"no"}"#, "rejected: permanent permanent"),
        (200, r#"{"ok":true}"#, "accepted"),
        (200, "no", "stops: config config"),
        (500, r#"{"stop":null}"#, "stops: config config"),
    ] {
        assert_eq!(
            outcome(rules.clone(), move || Reply::text(status, body)).await,
            meaning,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key_unless_told_otherwise() {
    let server = Server::start(|number, _| if number == 0 { Reply::Close } else { Reply::status(200) }).await;
    let mut patient = sink(json!({ "url": server.url })).await;
    let first = patient.write(&[event(1, "k")]).await;
    assert_eq!(outcome_of(&first), "rejected: transient transient");
    assert!(patient.write(&[event(1, "k")]).await.unwrap().rejected.is_empty());
    let received = server.received();
    let keys: Vec<_> = received.iter().map(|request| request.header("idempotency-key")).collect();
    assert_eq!(keys, [Some("opentrain:a:1"); 2]);
    for (option, meaning) in
        [("dead_letter", "rejected: permanent unknown_outcome"), ("pause", "stops: config unknown_outcome")]
    {
        assert_eq!(outcome(json!({ "unknown_outcome": option }), || Reply::Close).await, meaning);
    }
    let slow = || Reply::Slowly(Duration::from_secs(60), 200);
    let options = json!({ "timeout": "200ms", "unknown_outcome": "dead_letter" });
    assert_eq!(outcome(options, slow).await, "rejected: permanent unknown_outcome");
}

#[tokio::test]
async fn a_server_that_is_away_is_no_events_fault() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut sink = sink(json!({ "url": url, "unknown_outcome": "dead_letter" })).await;
    let error = sink.write(&[event(1, "a"), event(2, "b")]).await.unwrap_err();
    assert_eq!((error.class().as_str(), error.reason()), ("transient", "transient"), "{error}");
}

#[tokio::test]
async fn a_refused_batch_is_halved_and_one_that_is_too_large_too() {
    for (status, reason) in [(400, "permanent"), (413, "too_large")] {
        let server = Server::start(move |_, _| Reply::status(status)).await;
        let mut sink = sink(json!({ "url": server.url, "batching": "array" })).await;
        let error = sink.write(&[event(1, "a"), event(2, "b")]).await.unwrap_err();
        assert_eq!((error.class().as_str(), error.reason()), ("permanent", reason));
        let alone = sink.write(&[event(1, "a")]).await.unwrap();
        assert_eq!(rejected(&alone), [(0, "permanent", reason)]);
    }
}

#[tokio::test]
async fn no_error_shows_the_path_the_query_or_the_credentials() {
    let echo = |number: usize, request: &super::server::Received| match number {
        0 => Reply::text(400, format!("cannot {} with {}", request.line(), request.head)),
        1 => Reply::Answer(302, "location: /planted-path-planted/?sig=planted\r\n".to_owned(), String::new()),
        2 => Reply::text(404, "no planted-path-planted here, planted-query-planted"),
        _ => Reply::Close,
    };
    let server = Server::start(echo).await;
    let url = format!("{}/services/planted-path-planted?sig=planted-query-planted", server.url);
    let auth = json!({ "basic": { "username": "u", "password": "planted-password" } });
    let mut sink = sink(json!({ "url": url, "auth": auth })).await;
    for _ in 0..4 {
        let error = match sink.write(&[event(1, "k")]).await {
            Err(error) => error,
            Ok(mut written) => written.rejected.remove(0).error,
        };
        let shown = format!("{} {error:?}", error.chain());
        assert!(shown.contains(&format!("POST {}/…", server.url)), "{shown}");
        // `u:planted-password` in base64.
        assert!(!shown.contains("planted") && !shown.contains("dTpwbGFudGVk"), "{shown}");
    }
}

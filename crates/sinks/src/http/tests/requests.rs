//! What stands on the wire: addresses, headers, bodies byte for byte, batches, idempotency keys, credentials.

use serde_json::json;
use sluicebox_core::{Context, Event};
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate};

use super::server::Server;
use super::{context, event, event_with, rejected, sink, sink_in};

const ODD: &str = "{ \"n\": 1.10,\n  \"big\": 18446744073709551616, \"n\": \"é\" }";

#[tokio::test]
async fn an_event_is_posted_byte_for_byte_with_its_id() {
    let server = Server::accepting().await;
    let mut sink = sink(json!({ "url": format!("{}/hook", server.url) })).await;
    let written = sink.write(&[event_with(7, "k", ODD)]).await.unwrap();
    assert!(written.rejected.is_empty());
    let request = &server.received()[0];
    assert_eq!(request.line(), "POST /hook");
    assert_eq!(request.body, ODD);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("opentrain:a:7"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn address_headers_and_body_are_made_from_the_event() {
    let server = Server::accepting().await;
    let mut sink = sink(json!({
        "url": format!("{}/things/{{{{ event.id }}}}?kind={{{{ meta.type }}}}", server.url),
        "method": "PUT",
        "headers": { "X-Kind": "{{ meta.type }}", "Content-Type": "text/plain" },
        "body": { "template": "{{ event.id }} says {{ to_json(event.text) }}" },
        "idempotency_header": "X-Request-Id",
        "auth": { "header": { "name": "X-Key", "value": "k-1" } }
    }))
    .await;
    sink.write(&[event_with(1, "k", r#"{"id":"a/../b?c","text":"say \"hi\""}"#)]).await.unwrap();
    let request = &server.received()[0];
    assert_eq!(request.line(), "PUT /things/a%2F..%2Fb%3Fc?kind=payment.created");
    assert_eq!(request.header("x-kind"), Some("payment.created"));
    assert_eq!(request.header("content-type"), Some("text/plain"));
    assert_eq!(request.header("x-request-id"), Some("opentrain:a:1"));
    assert_eq!(request.header("idempotency-key"), None);
    assert_eq!(request.header("x-key"), Some("k-1"));
    assert_eq!(request.body, r#"a/../b?c says "say \"hi\"""#);
}

async fn body_of(body: serde_json::Value, method: &str) -> String {
    let server = Server::accepting().await;
    let mut sink = sink(json!({ "url": server.url, "body": body, "method": method })).await;
    sink.write(&[event(3, "k")]).await.unwrap();
    let request = server.received().remove(0);
    assert!(request.line().starts_with(method));
    request.body
}

#[tokio::test]
async fn a_body_may_be_an_envelope_an_expression_or_nothing() {
    let envelope = body_of(json!("envelope"), "PATCH").await;
    assert!(envelope.ends_with(r#","event":{"key":"k","n":3}}"#), "{envelope}");
    let read: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    assert_eq!(read["meta"]["id"], "opentrain:a:3");
    let made = body_of(json!({ "json": "#{id: meta.id, n: event.n}" }), "POST").await;
    assert_eq!(made, r#"{"id":"opentrain:a:3","n":3}"#);
    assert_eq!(body_of(json!("none"), "DELETE").await, "");
}

#[tokio::test]
async fn an_event_that_no_request_can_be_made_of_is_refused_and_the_others_go_on() {
    let server = Server::accepting().await;
    let url = format!("{}/{{{{ event.id }}}}", server.url);
    let mut sink = sink(json!({ "url": url, "headers": { "X-Note": "{{ event.note }}" } })).await;
    let written = sink
        .write(&[
            event_with(1, "k", r#"{"id":"a","note":"x"}"#),
            event_with(2, "k", r#"{"note":"x"}"#),
            event_with(3, "k", r#"{"id":"b","note":"x\r\nX-Forged: 1"}"#),
            event_with(4, "k", r#"{"id":"..","note":"x"}"#),
            event_with(5, "k", r#"{"id":"c","note":"Grüße"}"#),
        ])
        .await
        .unwrap();
    assert_eq!(
        rejected(&written),
        [(1, "script", "script"), (2, "permanent", "permanent"), (3, "script", "script")]
    );
    let received = server.received();
    let lines: Vec<&str> = received.iter().map(super::server::Received::line).collect();
    assert_eq!(lines, ["POST /a", "POST /c"]);
    assert_eq!(received[1].header("x-note"), Some("Grüße"));
}

async fn batch(batching: serde_json::Value, body: serde_json::Value, events: &[Event]) -> Server {
    let server = Server::accepting().await;
    let mut sink = sink(json!({ "url": server.url, "batching": batching, "body": body })).await;
    sink.write(events).await.unwrap();
    server
}

#[tokio::test]
async fn a_batch_is_an_array_or_lines_or_whatever_frame_is_asked_for() {
    let events = [event_with(1, "a", ODD), event(2, "b")];
    let array = batch(json!("array"), json!("event"), &events).await;
    assert_eq!(array.bodies(), [format!(r#"[{ODD},{{"key":"b","n":2}}]"#)]);
    assert_eq!(array.received()[0].header("content-type"), Some("application/json"));
    let lines = batch(json!("json_lines"), json!("event"), &events).await;
    let first = ODD.replace('\n', " ");
    assert_eq!(lines.bodies(), [format!("{first}\n{{\"key\":\"b\",\"n\":2}}\n")]);
    assert_eq!(lines.received()[0].header("content-type"), Some("application/x-ndjson"));
    let bulk = json!({ "template": "{\"index\":{}}\n{{ to_json(event.n) }}" });
    let lines = batch(json!("json_lines"), bulk, &[event(1, "a"), event(2, "b")]).await;
    assert_eq!(lines.bodies(), ["{\"index\":{}}\n1\n{\"index\":{}}\n2\n"]);
    let frame = json!({ "joined": { "before": "{\"records\":[", "between": ",", "after": "]}" } });
    let framed = batch(frame, json!({ "json": "event.n" }), &events[1..]).await;
    assert_eq!(framed.bodies(), [r#"{"records":[2]}"#]);
}

#[tokio::test]
async fn a_template_that_makes_no_json_does_not_spoil_the_array() {
    let server = Server::accepting().await;
    let body = json!({ "template": "{\"note\": \"{{ event.note }}\"}" });
    let mut sink = sink(json!({ "url": server.url, "batching": "array", "body": body })).await;
    let events = [event_with(1, "a", r#"{"note":"fine"}"#), event_with(2, "b", r#"{"note":"a \"b\""}"#)];
    let written = sink.write(&events).await.unwrap();
    assert_eq!(rejected(&written), [(1, "permanent", "permanent")]);
    assert_eq!(server.bodies(), [r#"[{"note": "fine"}]"#]);
}

#[tokio::test]
async fn a_batch_has_a_key_that_only_its_events_decide() {
    let server = Server::accepting().await;
    let mut sink = sink(json!({ "url": server.url, "batching": "array" })).await;
    for events in [[1, 2], [1, 2], [2, 1], [1, 3]] {
        let events = events.map(|number| event(number, "k"));
        sink.write(&events).await.unwrap();
    }
    let received = server.received();
    let keys: Vec<&str> = received.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert!(keys[0].starts_with("batch-") && keys[0].len() == 38, "{keys:?}");
    assert_eq!(keys[0], keys[1]);
    assert!(keys[0] != keys[2] && keys[0] != keys[3]);
}

#[tokio::test]
async fn a_batch_is_cut_by_address_and_keeps_the_order_of_each_key() {
    let server = Server::accepting().await;
    let url = format!("{}/{{{{ event.to }}}}", server.url);
    let mut sink = sink(json!({ "url": url, "batching": "array", "body": { "json": "event.n" } })).await;
    let of = |n: usize, key: &str, to: &str| event_with(n, key, &json!({ "n": n, "to": to }).to_string());
    let events = [
        of(1, "a", "x"),
        of(2, "b", "y"),
        of(3, "b", "x"),
        of(4, "a", "y"),
        of(5, "a", "x"),
        of(6, "c", "y"),
    ];
    sink.write(&events).await.unwrap();
    // 3 may not join 1, for 2 goes first; 5 may not join 1 or 3, for 4 goes first.
    let received = server.received();
    let sent: Vec<String> =
        received.iter().map(|request| format!("{} {}", request.line(), request.body)).collect();
    assert_eq!(sent, ["POST /x [1]", "POST /y [2,4,6]", "POST /x [3,5]"]);
}

#[tokio::test]
async fn a_webhook_is_signed_with_the_idempotency_key_as_its_id() {
    let server = Server::accepting().await;
    let auth = json!({ "webhook": { "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } });
    let mut sink = sink(json!({ "url": server.url, "auth": auth, "idempotency_header": null })).await;
    sink.write(&[event(4, "k")]).await.unwrap();
    let request = &server.received()[0];
    assert_eq!(request.header("webhook-id"), Some("opentrain:a:4"));
    assert!(request.header("webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(request.header("idempotency-key"), None);
}

#[tokio::test]
async fn the_credentials_of_a_source_are_those_of_the_events_account() {
    let server = Server::accepting().await;
    let cx = context();
    let publish = |account: &str| {
        let options = ClientOptions {
            base_url: BaseUrl::parse(&server.url).unwrap(),
            auth: serde_json::from_value(json!({ "bearer": format!("token-{account}") })).unwrap(),
            rate: Rate::Unlimited,
            limits: Limits::default(),
        };
        let of = Context { component: "chat".into(), account: account.into(), ..cx.clone() };
        Client::new(options, &of).unwrap().publish(&of);
    };
    publish("a");
    publish("b");
    let mut sink = sink_in(&cx, json!({ "url": server.url, "auth": { "same_as": "chat" } })).await;
    let (first, mut second) = (event(1, "k"), event(2, "k"));
    second.meta_mut().account = "b".into();
    sink.write(&[first, second]).await.unwrap();
    let received = server.received();
    let tokens: Vec<_> = received.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer token-a", "Bearer token-b"]);
    let mut stranger = event(3, "k");
    stranger.meta_mut().account = "c".into();
    let error = sink.write(&[stranger]).await.unwrap_err();
    assert_eq!(error.class().as_str(), "config");
}

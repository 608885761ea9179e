//! Calls of any method: what stands on the wire, what a lost answer means, and addresses that are secret.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use sluicebox_core::{ErrorClass, Timestamp};
use sluicebox_http::{BaseUrl, Call, Client, ClientOptions, Limits, Rate, sign};

use crate::support::{RawServer, Script, client, context, header, reply, target};

const NOW: &str = "2026-06-12T10:00:00Z";
const KEY: &str = r#"{"api_key":{"key":"key-1","secret":"test-secret"}}"#;
const BODY: &str = "{ \"topicId\": \"123\",\n \"text\": \"Hallo, Wörld\" }";

fn post(target: &str) -> Call {
    Call::new(Method::POST, target).with_body("application/json", BODY)
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn any_method_sends_its_body_byte_for_byte_and_headers_give_way_to_credentials() {
    let server = RawServer::start(|_, _| reply("202 Accepted", "", "done")).await;
    let cx = context(NOW);
    let client = client(&server.url, Some(r#"{"bearer":"hunter2"}"#), &cx);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let mut call = Call { method: method.clone(), ..post("/a/b?c=%2F") };
        call.headers.insert(ACCEPT, HeaderValue::from_static("text/plain"));
        call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic forged"));
        let answer = client.send(call).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (StatusCode::ACCEPTED, &b"done"[..]));
        let requests = server.requests();
        let request = requests.last().unwrap();
        assert!(request.starts_with(&format!("{method} /a/b?c=%2F HTTP/1.1")), "{request}");
        assert_eq!(body(request), BODY);
        assert_eq!(header(request, "content-length").unwrap(), BODY.len().to_string());
        assert_eq!(header(request, "content-type").unwrap(), "application/json");
        assert_eq!(header(request, "accept").unwrap(), "text/plain");
        assert_eq!(header(request, "authorization").unwrap(), "Bearer hunter2");
        assert!(!request.contains("forged"));
    }
}

#[tokio::test]
async fn a_post_without_a_body_states_its_length() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "")).await;
    let cx = context(NOW);
    client(&server.url, None, &cx).send(Call::new(Method::POST, "/x")).await.unwrap();
    let requests = server.requests();
    assert_eq!(header(&requests[0], "content-length").unwrap(), "0");
    assert_eq!(requests[0].to_lowercase().matches("content-length").count(), 1);
}

#[tokio::test]
async fn a_body_is_what_a_key_signs_and_each_attempt_anew() {
    let server = RawServer::start(|number, _| match number {
        0 => reply("401 Unauthorized", "date: Fri, 12 Jun 2026 10:10:00 GMT\r\n", ""),
        _ => reply("200 OK", "", "{}"),
    })
    .await;
    let cx = context(NOW);
    let answer = client(&server.url, Some(KEY), &cx).send(post("/v2/messages?x=1")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let signatures = requests.iter().map(|request| {
        let time: i64 = header(request, "x-timestamp").unwrap().parse().unwrap();
        let signature = header(request, "x-signature").unwrap();
        assert_eq!(signature, sign("test-secret", Timestamp::from_millis(time), body(request)));
        signature
    });
    let signatures: Vec<String> = signatures.collect();
    assert_ne!(signatures[0], signatures[1]);
}

#[tokio::test]
async fn plain_credentials_and_webhook_signatures_are_on_the_wire() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "")).await;
    let cx = context(NOW);
    let sent = async |auth: &str| {
        let mut call = post("/x");
        call.headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_static("feed:a:1"));
        client(&server.url, Some(auth), &cx).send(call).await.unwrap();
        server.requests().pop().unwrap()
    };
    let basic = sent(r#"{"basic":{"username":"Aladdin","password":"open sesame"}}"#).await;
    assert_eq!(header(&basic, "authorization").unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let named = sent(r#"{"header":{"name":"X-Api-Key","value":"k-1"}}"#).await;
    assert_eq!(header(&named, "x-api-key").unwrap(), "k-1");
    let signed = sent(r#"{"webhook":{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}"#).await;
    assert_eq!(header(&signed, "webhook-id").unwrap(), "feed:a:1");
    assert!(header(&signed, "webhook-timestamp").unwrap().starts_with("17812584"));
    assert!(header(&signed, "webhook-signature").unwrap().starts_with("v1,"));
    assert!(!signed.contains("MfKQ9r8"));
}

/// The reason of the error when the server does `script` to a request of this method.
async fn reason(method: Method, script: impl Fn() -> Script + Send + Sync + 'static) -> &'static str {
    let server = RawServer::start(move |_, _| script()).await;
    let cx = context(NOW);
    let client = client(&server.url, None, &cx);
    let half = Duration::from_millis(500);
    let limits = Some(Limits { read: half, ..*client.limits() });
    let error = client.send(Call { method, limits, ..post("/x") }).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    error.reason()
}

#[tokio::test]
async fn a_lost_answer_to_a_request_with_an_effect_is_told_apart() {
    let closed = || vec![(Duration::ZERO, Vec::new())];
    let silent = || vec![(Duration::from_secs(60), Vec::new())];
    let cut = || vec![(Duration::ZERO, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec())];
    assert_eq!(reason(Method::POST, closed).await, "unknown_outcome");
    assert_eq!(reason(Method::POST, silent).await, "unknown_outcome");
    assert_eq!(reason(Method::DELETE, cut).await, "unknown_outcome");
    assert_eq!(reason(Method::GET, closed).await, "transient");
    assert_eq!(reason(Method::GET, silent).await, "transient");
}

#[tokio::test]
async fn a_request_that_never_left_has_a_known_outcome() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cx = context(NOW);
    let error = client(&url, None, &cx).send(post("/x")).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "transient"), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_long_answer_does_not_undo_what_was_done() {
    let server = RawServer::start(|_, _| reply("200 OK", "", &"x".repeat(1000))).await;
    let cx = context(NOW);
    let client = client(&server.url, None, &cx);
    let limits = Some(Limits { body_bytes: 100, ..*client.limits() });
    let answer = client.send(Call { limits, ..post("/x") }).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 100));
}

#[tokio::test]
async fn a_secret_address_is_in_no_error_and_no_excerpt() {
    let server = RawServer::start(|number, request| match number {
        0 => reply("404 Not Found", "", &format!("Cannot POST {}", target(request))),
        1 => reply("302 Found", "location: /services/T0/B0/hunter2hunter2\r\n", ""),
        _ => Vec::new(),
    })
    .await;
    let cx = context(NOW);
    let url = format!("{}/services/T0/B0/hunter2hunter2", server.url);
    let base_url = BaseUrl::secret(&url).unwrap();
    let options = ClientOptions { base_url, auth: None, rate: Rate::Unlimited, limits: Limits::default() };
    let client = Client::new(options, &cx).unwrap();
    let answer = client.send(post("")).await.unwrap();
    assert_eq!(target(&server.requests()[0]), "/services/T0/B0/hunter2hunter2");
    assert_eq!(client.excerpt(&answer), "Cannot POST …");
    for _ in 0..2 {
        let error = client.send(post("")).await.unwrap_err();
        let shown = format!("{} {error:?} {client:?}", error.chain());
        assert!(!shown.contains("hunter2") && !shown.contains("services"), "{shown}");
        assert!(error.to_string().starts_with(&format!("POST {}/… ", server.url)), "{error}");
    }
    drop(server);
}

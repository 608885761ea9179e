//! Templates of signatures in `http_poll`: what `check` says of them, and what is sent.

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;

use crate::support::{Reply, context, page, problems, source};

fn signed(more: &Value) -> Value {
    let mut hmac = json!({
        "key": "public-key", "secret": "hunter2hunter2", "timestamp": "milliseconds", "sign": "{{ query }}",
        "headers": { "X-Key": "{{ key }}" }, "query": { "signature": "{{ signature }}", "timestamp": "{{ timestamp }}" },
    });
    hmac.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "auth": { "hmac": hmac } })
}

#[test]
fn check_tells_what_is_wrong_at_its_place() {
    assert_eq!(problems(&signed(&json!({}))), []);
    for (more, path, help) in [
        (json!({ "sign": "{{ querry }}" }), "auth.hmac.sign", "did you mean `query`?"),
        (json!({ "headers": { "X-Key": "{{ kye }}" } }), "auth.hmac.headers.X-Key", "did you mean `key`?"),
        (json!({ "query": { "s": "{{ signatur }}" } }), "auth.hmac.query.s", "did you mean `signature`?"),
    ] {
        let found = problems(&signed(&more));
        assert_eq!(found[0].path, path);
        assert_eq!(found[0].help.as_deref(), Some(help), "{found:?}");
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_is_signed_anew_behind_its_cursor() {
    let (cx, transport) = context(|number, _| page(&["1"], &json!(format!("c+{number}"))));
    let mut source = source(&signed(&json!({})), &cx, None).await;
    for _ in 0..2 {
        source.next().await.unwrap();
        tokio::time::advance(std::time::Duration::from_secs(3)).await;
    }
    let targets = transport.targets();
    let parts = |target: &str| -> (String, i64, String) {
        let (begin, rest) = target.split_once("timestamp=").unwrap();
        let (time, signature) = rest.split_once("&signature=").unwrap();
        (begin.to_owned(), time.parse().unwrap(), signature.to_owned())
    };
    let ((first, one, first_signature), (second, two, second_signature)) =
        (parts(&targets[0]), parts(&targets[1]));
    assert_eq!((first.as_str(), second.as_str()), ("/events?", "/events?after=c%2B0&"));
    assert!(two > one && first_signature != second_signature && first_signature.len() == 64, "{targets:?}");
    let requests = transport.requests.lock();
    assert!(requests.iter().all(|request| request.headers["x-key"] == "public-key"));
}

#[tokio::test(start_paused = true)]
async fn neither_the_secret_nor_a_signature_is_in_a_message() {
    let echo = |_: usize, request: &sluicebox_http::Request| {
        Reply::new(400, format!("hunter2hunter2 does not sign {}", request.url.query().unwrap_or_default()))
    };
    let (cx, transport) = context(echo);
    let error = source(&signed(&json!({})), &cx, None).await.next().await.unwrap_err();
    let signature = transport.targets()[0].rsplit('=').next().unwrap().to_owned();
    assert_eq!((error.class(), signature.len()), (ErrorClass::Config, 64));
    let said = format!("{} {error:?}", error.chain());
    assert!(!said.contains("hunter2") && !said.contains(&signature), "{said}");
}

/// A template whose key and signature are percent-encoded in the query.
fn in_query() -> Value {
    signed(&json!({
        "key": "k/e+y=PLANTED", "signature_encoding": "base64", "headers": {},
        "query": { "key": "{{ key }}", "ts": "{{ timestamp }}", "signature": "{{ signature }}" },
    }))
}

#[tokio::test(start_paused = true)]
async fn a_quoted_address_shows_neither_the_key_nor_the_signature() {
    for status in [400, 401, 500] {
        let (cx, transport) = context(move |_, request| Reply::new(status, format!("bad {}", request.url)));
        let error = source(&in_query(), &cx, None).await.next().await.unwrap_err();
        assert!(transport.targets()[0].contains("key=k%2Fe%2By%3DPLANTED&"), "{:?}", transport.targets());
        let said = format!("{} {error:?}", error.chain());
        assert!(said.contains("key=…&ts=") && said.contains("&signature=…"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_repeats_the_query_is_kept_without_key_and_signature() {
    for pages in [false, true] {
        let (cx, transport) = context(|number, request| {
            let next = format!("{}&page={number}", request.url);
            Reply::json(&json!({ "events": [{ "id": number.to_string(), "at": "1" }], "next": next }))
        });
        let mut options = in_query();
        let cursor = if pages {
            json!({ "next": { "last_item": "at" }, "pages": { "address": "next" } })
        } else {
            json!({ "next": { "body": "next" }, "kind": "url" })
        };
        options.as_object_mut().unwrap().insert("cursor".to_owned(), cursor);
        let path = json!({ "path": "/events", "query": { "n": "5", "since": "{{ cursor }}" } });
        options.as_object_mut().unwrap().insert("request".to_owned(), path);
        let mut source = source(&options, &cx, None).await;
        for number in 0..3 {
            let batch = source.next().await.unwrap().unwrap();
            let kept = batch.cursor.unwrap().to_text();
            assert!(
                kept.contains(&format!("/events?n=5&page=0{}", ["", "&page=1", "&page=1&page=2"][number])),
                "{kept}"
            );
            assert!(["PLANTED", "signature", "key", "ts="].iter().all(|it| !kept.contains(it)), "{kept}");
        }
        let last = transport.targets().pop().unwrap();
        assert_eq!((last.matches("key=").count(), last.matches("signature=").count()), (1, 1), "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_was_kept_with_a_key_loses_it() {
    let (cx, _) = context(|_, _| Reply::json(&json!({ "events": [] })));
    let mut options = in_query();
    let cursor = json!({ "next": { "body": "next" }, "kind": "url" });
    options.as_object_mut().unwrap().insert("cursor".to_owned(), cursor);
    let saved = "https://api.example.com/events?n=5&key=k%2Fe%2By%3DPLANTED&ts=1&signature=x";
    let batch = source(&options, &cx, Some(saved)).await.next().await.unwrap().unwrap();
    assert_eq!(batch.cursor.unwrap().to_text(), "https://api.example.com/events?n=5");
}

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

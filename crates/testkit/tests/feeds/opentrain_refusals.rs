//! What refusals and broken answers of OpenTrain mean.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Cursor, Error, ErrorClass, Source};
use sluicebox_emulator::Api;

use super::scripted::{Reply, SECRET, Scripted, opentrain_page, page, polled, polls};
use crate::FORM;

async fn feed(replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    polled(Api::OpenTrain, json!({ "interval": "30s" }), replies).await
}

async fn refusal(reply: Reply) -> Error {
    let (mut feed, _) = feed(vec![reply]).await;
    feed.open(Some(&Cursor::from("1041"))).await.unwrap();
    let error = feed.next().await.unwrap_err();
    assert!(!format!("{} {error:?}", error.chain()).contains(SECRET));
    error
}

fn envelope(code: &str, details: &Value) -> String {
    json!({ "error": "no hunter2", "code": code, "requestId": "6f0c2b1e", "details": details }).to_string()
}

#[tokio::test(start_paused = true)]
async fn every_status_is_classified() {
    let scopes = json!({ "requiredScopes": ["messages:read"], "grantedScopes": ["jobs:read", "team:read"] });
    for (status, details, class, reason, mentions) in [
        (400, json!({ "field": "cursor" }), ErrorClass::Config, "cursor_rejected", "`1041`"),
        (401, json!(null), ErrorClass::Auth, "auth", "refused the"),
        (403, scopes, ErrorClass::Auth, "auth", "messages:read"),
        (404, json!(null), ErrorClass::Config, "config", "https://app.opentrain.ai/api/public/v1"),
        (409, json!(null), ErrorClass::Permanent, "permanent", "status 409"),
        (429, json!(null), ErrorClass::RateLimited, "rate_limited", "wait"),
        (500, json!(null), ErrorClass::Transient, "transient", "status 500"),
        (503, json!(null), ErrorClass::Transient, "transient", "status 503"),
    ] {
        let error = refusal(Reply::new(status, envelope("CODE", &details))).await;
        assert_eq!((error.class(), error.reason()), (class, reason), "{status} {details}");
        for part in [mentions, "CODE", "6f0c2b1e"] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_refusal_are_understood_or_quoted() {
    let limit = refusal(Reply::new(400, envelope("CODE", &json!({ "field": "limit" })))).await;
    let whole = refusal(Reply::new(400, envelope("CODE", &json!(null)))).await;
    let scopes = json!({ "requiredScopes": ["messages:read"], "grantedScopes": ["jobs:read", "team:read"] });
    let narrow = refusal(Reply::new(403, envelope("CODE", &scopes))).await;
    if FORM.understands_refusals() {
        assert_eq!([limit.reason(), whole.reason()], ["config"; 2]);
        assert!(limit.to_string().contains("`limit`"), "{limit}");
        assert!(whole.to_string().contains("request 6f0c2b1e"), "{whole}");
        assert!(narrow.to_string().contains("needs one of messages:read, and has jobs:read, team:read"));
    } else {
        assert_eq!([limit.reason(), whole.reason()], ["cursor_rejected"; 2]);
        assert!(limit.to_string().contains("\"limit\"") && narrow.to_string().contains("team:read"));
    }
    assert!(narrow.help().unwrap().contains("proposals:read"));
}

#[tokio::test(start_paused = true)]
async fn refusals_in_another_shape_are_classified_too() {
    for body in ["", "<html>bad gateway</html>", "[]", r#"{"id":"x","status":"closed"}"#] {
        assert_eq!(refusal(Reply::new(502, body)).await.class(), ErrorClass::Transient);
        assert_eq!(refusal(Reply::new(401, body)).await.class(), ErrorClass::Auth);
    }
    let error =
        refusal(Reply::new(302, "").header("location", "https://login.example/x?token=hunter2")).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "redirected"));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_handed_on_and_closes_the_budget() {
    let (mut feed, _) = feed(vec![
        Reply::new(429, "").header("retry-after", "40"),
        opentrain_page([], &json!("1041"), false),
    ])
    .await;
    feed.open(Some(&Cursor::from("1041"))).await.unwrap();
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(40)));
    let started = tokio::time::Instant::now();
    page(&mut feed).await;
    assert!(started.elapsed() >= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn malformed_pages_are_retried_and_pause_after_ten_in_a_row() {
    let good = opentrain_page([1], &json!("1"), false);
    let bad =
        ["", "not json", "[]", r#"{"events":[]}"#, r#"{"events":{},"nextCursor":null,"hasMore":false}"#];
    let mut replies: Vec<Reply> = bad.iter().map(|body| Reply::new(200, *body)).collect();
    replies.push(good);
    replies.push(Reply::new(200, "gone mad"));
    let (mut feed, transport) = feed(replies).await;
    feed.open(Some(&Cursor::from("7"))).await.unwrap();
    for _ in bad {
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "protocol"));
    }
    page(&mut feed).await;
    for _ in 0..9 {
        assert!(feed.next().await.unwrap_err().class().is_retryable());
    }
    let last = feed.next().await.unwrap_err();
    assert_eq!((last.class(), last.reason()), (ErrorClass::Permanent, "protocol"));
    assert!(polls(&transport).iter().all(|target| target.contains("cursor=7")), "never moved");
}

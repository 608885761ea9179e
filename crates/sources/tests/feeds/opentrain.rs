//! What `opentrain_updates` does beside the suite of feeds: it asks for the scopes of its token.

use std::time::Duration;

use serde_json::json;
use sluicebox_http::Request;

use crate::support::{Reply, context, opentrain_page, source};

#[tokio::test(start_paused = true)]
async fn scopes_are_asked_for_once_and_their_failure_stops_nothing() {
    let answer = |_: usize, request: &Request| match request.url.path() {
        "/api/public/v1/auth/me" => Reply::new(200, "{}").after_seconds(3600),
        _ => opentrain_page([1], &json!("1"), false),
    };
    let (cx, transport) = context(answer);
    let mut feed = source("opentrain_updates", json!({ "token": "hunter2" }), &cx).await;
    let started = tokio::time::Instant::now();
    feed.open(None).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    feed.open(None).await.unwrap();
    assert_eq!(feed.next().await.unwrap().unwrap().read().events.len(), 1);
    assert_eq!(transport.targets().iter().filter(|target| target.ends_with("/auth/me")).count(), 1);
}

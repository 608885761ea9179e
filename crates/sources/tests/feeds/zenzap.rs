//! What `zenzap_updates` does beside the suite of feeds: it leaves the bot's own messages out.

use std::sync::Arc;

use serde_json::{Value, json};
use sluicebox_core::{Batch, ErrorClass, Source};
use sluicebox_http::Request;

use crate::support::{Reply, Scripted, context, in_turn, source, update};

async fn feed_of(
    options: Value,
    answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Box<dyn Source>, Arc<Scripted>) {
    let (cx, transport) = context(answer);
    let mut given = json!({ "auth": { "api_key": { "key": "key-1", "secret": "hunter2" } } });
    given.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    (source("zenzap_updates", given, &cx).await, transport)
}

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    feed_of(options, in_turn(replies)).await
}

async fn page(feed: &mut Box<dyn Source>) -> Batch {
    feed.next().await.unwrap().unwrap()
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| event.meta().id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn own_messages_are_dropped_and_nothing_else() {
    let message = |id: &str, sender: &str| {
        update(id, "message.created", &json!({ "message": { "id": id, "topicId": "t", "senderId": sender } }))
    };
    let updates = json!([
        message("u1", "b@1"),
        message("u2", "1"),
        message("u3", "u@2"),
        update("u4", "reaction.added", &json!({ "topicId": "t", "senderId": "b@1" })),
    ]);
    let answer = move |_: usize, request: &Request| match request.url.path() {
        "/v2/members/me" => Reply::new(200, r#"{"id":"b@1","email":"x@example.com"}"#),
        _ => Reply::json(&json!({ "updates": updates, "nextOffset": "a" })),
    };
    let (mut feed, transport) = feed_of(json!({ "drop_own": true }), answer).await;
    feed.open(None).await.unwrap();
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u3", "zenzap:acme:u4"]);
    page(&mut feed).await;
    assert_eq!(transport.targets().iter().filter(|target| target.contains("members")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn drop_own_without_its_scope_pauses_and_a_failure_is_retried() {
    let (mut feed, _) =
        feed(json!({ "drop_own": true }), vec![Reply::new(503, ""), Reply::new(403, "forbidden")]).await;
    feed.open(None).await.unwrap();
    assert!(feed.next().await.unwrap_err().class().is_retryable());
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(error.to_string().contains("member:read"), "{error}");
}

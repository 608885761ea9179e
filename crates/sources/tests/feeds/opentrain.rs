//! `opentrain_updates` against the OpenTrain contract.

use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Batch, Cursor, Error, ErrorClass, Pace, Reason, Source};
use sluicebox_http::{Client, Request};

use crate::support::{Reply, Scripted, context, in_turn, opentrain_event, opentrain_page, source};

/// The configured interval, with as little jitter as there can be.
const INTERVAL: Pace = Pace::After(Duration::from_secs(27));

/// A source whose `GET /auth/me` is refused and whose polls are answered in turn.
async fn feed(
    options: serde_json::Value,
    replies: Vec<Reply>,
) -> (Box<dyn Source>, std::sync::Arc<Scripted>) {
    let mut all = vec![Reply::new(404, "")];
    all.extend(replies);
    let (cx, transport) = context(in_turn(all));
    let mut given = json!({ "token": "hunter2", "interval": "30s" });
    given.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    (source("opentrain_updates", given, &cx).await, transport)
}

async fn page(feed: &mut Box<dyn Source>) -> Batch {
    feed.next().await.unwrap().unwrap().read()
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| event.meta().id.as_str()).collect()
}

fn cursor(batch: &Batch) -> Option<String> {
    batch.cursor.as_ref().map(Cursor::to_text)
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_at_once_while_there_is_more() {
    let replies = vec![
        opentrain_page([1, 2], &json!("2"), true),
        opentrain_page([3], &json!(3), false),
        opentrain_page([], &json!("3"), false),
    ];
    let (mut feed, transport) = feed(json!({ "limit": 2 }), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!(
        (ids(&first), cursor(&first)),
        (vec!["opentrain:acme:1", "opentrain:acme:2"], Some("2".into()))
    );
    assert_eq!((first.pace, first.caught_up), (Pace::Immediately, false));
    let second = page(&mut feed).await;
    assert_eq!((second.pace, second.caught_up, cursor(&second)), (INTERVAL, true, Some("3".into())));
    let third = page(&mut feed).await;
    assert_eq!((third.pace, third.caught_up, cursor(&third)), (INTERVAL, true, Some("3".into())));
    let base = "/api/public/v1/updates";
    let expected =
        [format!("{base}?limit=2"), format!("{base}?cursor=2&limit=2"), format!("{base}?cursor=3&limit=2")];
    assert_eq!(transport.targets()[1..], expected);
    let request = transport.requests.lock()[1].clone();
    assert_eq!(request.headers["authorization"], "Bearer hunter2");
    assert_eq!(request.headers["accept"], "application/json");
}

#[tokio::test(start_paused = true)]
async fn events_keep_their_bytes_and_say_who_they_are() {
    let item = r#"{ "id":7, "id":"8","type":"new.kind","n":1.10,"big":18446744073709551617,"createdAt":"2026-06-12T10:00:04.120Z"}"#;
    let body = format!(r#"{{"events":[{item}],"nextCursor":"8","hasMore":false}}"#);
    let (mut feed, _) = feed(json!({}), vec![Reply::new(200, body)]).await;
    feed.open(None).await.unwrap();
    let batch = page(&mut feed).await;
    let event = &batch.events[0];
    assert_eq!(event.json(), item);
    let meta = event.meta();
    assert_eq!(
        (meta.id.as_str(), meta.event_type.as_str(), meta.key.as_str()),
        ("opentrain:acme:8", "new.kind", "acme")
    );
    assert_eq!(meta.time.to_string(), "2026-06-12T10:00:04.120Z");
    assert_eq!(meta.received.to_string(), "2026-06-12T10:00:00.000Z");
    assert_eq!((&*meta.source, &*meta.account), ("feed", "acme"));
}

#[tokio::test(start_paused = true)]
async fn bad_items_are_rejected_and_the_page_goes_on() {
    let body = r#"{"events":[7,{"type":"x"},{"id":"2"},{"id":"3","type":"x","createdAt":"soon"},{"id":"","type":"x"}],"nextCursor":"3","hasMore":false}"#;
    let (mut feed, _) = feed(json!({}), vec![Reply::new(200, body)]).await;
    feed.open(None).await.unwrap();
    let (first, second) = (page(&mut feed).await, page(&mut feed).await);
    assert_eq!(ids(&first), ["opentrain:acme:3"]);
    assert_eq!(first.events[0].meta().time, first.events[0].meta().received);
    let rejected = |batch: &Batch| -> Vec<String> {
        batch.rejects.iter().map(|reject| reject.event.meta().id.to_string()).collect()
    };
    assert_eq!(first.rejects.len(), 4);
    assert!(first.rejects.iter().all(|reject| reject.reason == Reason::Parse));
    assert!(rejected(&first)[0].starts_with("opentrain:acme:parse:"));
    assert_eq!(rejected(&first), rejected(&second));
    assert_eq!(first.rejects[0].event.json(), "7");
    assert_eq!(first.rejects[1].error.message, "the event has no `id`");
}

#[tokio::test(start_paused = true)]
async fn a_good_cursor_is_never_replaced_by_null_and_null_is_never_sent() {
    let replies = vec![
        opentrain_page([], &json!(null), false),
        opentrain_page([5], &json!("5"), false),
        opentrain_page([], &json!(null), false),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    assert_eq!(cursor(&page(&mut feed).await), None);
    assert_eq!(cursor(&page(&mut feed).await), Some("5".into()));
    assert_eq!(cursor(&page(&mut feed).await), Some("5".into()));
    assert!(transport.targets()[1..3].iter().all(|target| !target.contains("cursor")));
}

#[tokio::test(start_paused = true)]
async fn pages_that_break_the_contract_keep_the_cursor_emit_their_events_and_wait() {
    for (events, next, more) in [
        (vec![7], json!("1000"), true),
        (vec![], json!("1000"), true),
        (vec![8], json!("999"), true),
        (vec![8], json!("0999"), false),
        (vec![9], json!(null), true),
    ] {
        let (mut feed, _) = feed(json!({}), vec![opentrain_page(events.clone(), &next, more)]).await;
        feed.open(Some(&Cursor::from("1000"))).await.unwrap();
        for _ in 0..2 {
            let batch = page(&mut feed).await;
            assert_eq!((cursor(&batch), batch.events.len()), (Some("1000".into()), events.len()), "{next}");
            assert_eq!((batch.pace, batch.caught_up), (INTERVAL, !more), "{next}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn start_now_reads_history_away_across_a_restart() {
    let replies = vec![
        opentrain_page([1, 2], &json!("2"), true),
        opentrain_page([3, 4], &json!("4"), true),
        opentrain_page([5], &json!("5"), false),
        opentrain_page([6], &json!("6"), false),
    ];
    let (mut feed, transport) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!(
        (first.events.len(), cursor(&first), first.pace),
        (0, Some("priming 2".into()), Pace::Immediately)
    );
    feed.open(first.cursor.as_ref()).await.unwrap();
    let second = page(&mut feed).await;
    assert_eq!((second.events.len(), cursor(&second)), (0, Some("priming 4".into())));
    let third = page(&mut feed).await;
    assert_eq!((third.events.len(), cursor(&third), third.caught_up), (0, Some("5".into()), true));
    let fourth = page(&mut feed).await;
    assert_eq!((ids(&fourth), cursor(&fourth)), (vec!["opentrain:acme:6"], Some("6".into())));
    assert!(transport.targets()[2].contains("cursor=2"));
}

#[tokio::test(start_paused = true)]
async fn start_now_on_an_empty_account_does_not_swallow_the_first_event() {
    let replies = vec![opentrain_page([], &json!(null), false), opentrain_page([1], &json!("1"), false)];
    let (mut feed, _) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    let primed = page(&mut feed).await;
    assert_eq!(cursor(&primed), Some(String::new()));
    feed.open(primed.cursor.as_ref()).await.unwrap();
    assert_eq!(ids(&page(&mut feed).await), ["opentrain:acme:1"]);
}

#[tokio::test(start_paused = true)]
async fn start_at_a_cursor_counts_only_until_one_is_saved() {
    let (mut feed, transport) =
        feed(json!({ "start": { "cursor": "41" } }), vec![opentrain_page([42], &json!("42"), false)]).await;
    feed.open(None).await.unwrap();
    page(&mut feed).await;
    feed.open(Some(&Cursor::from("99"))).await.unwrap();
    page(&mut feed).await;
    assert!(transport.targets()[1].contains("cursor=41") && transport.targets()[2].contains("cursor=99"));
}

#[tokio::test(start_paused = true)]
async fn a_saved_cursor_that_is_no_number_is_refused_before_it_is_sent() {
    let (mut feed, transport) = feed(json!({}), vec![opentrain_page([], &json!(null), false)]).await;
    for text in ["abc", "12x", "-1", "priming x"] {
        let error = feed.open(Some(&Cursor::from(text))).await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "cursor_rejected"));
        assert!(error.help().unwrap().contains("cursor set"));
    }
    assert!(transport.targets().is_empty());
}

async fn refusal(reply: Reply) -> Error {
    let (mut feed, _) = feed(json!({}), vec![reply]).await;
    feed.open(Some(&Cursor::from("1041"))).await.unwrap();
    let error = feed.next().await.unwrap_err();
    assert!(!format!("{} {error:?}", error.chain()).contains("hunter2"));
    error
}

fn envelope(code: &str, details: &serde_json::Value) -> String {
    json!({ "error": "no hunter2", "code": code, "requestId": "6f0c2b1e", "details": details }).to_string()
}

#[tokio::test(start_paused = true)]
async fn every_status_is_classified() {
    for (status, details, class, reason, mentions) in [
        (400, json!({ "field": "cursor" }), ErrorClass::Config, "cursor_rejected", "`1041`"),
        (400, json!({ "field": "limit" }), ErrorClass::Config, "config", "`limit`"),
        (400, json!(null), ErrorClass::Config, "config", "request 6f0c2b1e"),
        (401, json!(null), ErrorClass::Auth, "auth", "token"),
        (
            403,
            json!({ "requiredScopes": ["messages:read"], "grantedScopes": ["jobs:read", "team:read"] }),
            ErrorClass::Auth,
            "auth",
            "needs one of messages:read, and has jobs:read, team:read",
        ),
        (404, json!(null), ErrorClass::Config, "config", "https://app.opentrain.ai/api/public/v1"),
        (409, json!(null), ErrorClass::Permanent, "permanent", "status 409"),
        (429, json!(null), ErrorClass::RateLimited, "rate_limited", "wait"),
        (500, json!(null), ErrorClass::Transient, "transient", "status 500"),
        (503, json!(null), ErrorClass::Transient, "transient", "status 503"),
    ] {
        let error = refusal(Reply::new(status, envelope("CODE", &details))).await;
        assert_eq!((error.class(), error.reason()), (class, reason), "{status} {details}");
        assert!(error.to_string().contains(mentions), "{error}");
        assert!(error.to_string().contains("code CODE"), "{error}");
    }
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
    let (mut feed, _) = feed(
        json!({}),
        vec![Reply::new(429, "").header("retry-after", "40"), opentrain_page([], &json!("1041"), false)],
    )
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
    let (mut feed, transport) = feed(json!({}), replies).await;
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
    assert!(transport.targets()[1..].iter().all(|target| target.contains("cursor=7")), "never moved");
}

#[tokio::test(start_paused = true)]
async fn a_page_over_the_limit_is_retried_a_while_and_then_pauses() {
    let (mut feed, _) =
        feed(json!({ "max_body": "1KiB" }), vec![opentrain_page(1..100, &json!("99"), false)]).await;
    feed.open(None).await.unwrap();
    for _ in 0..9 {
        assert!(feed.next().await.unwrap_err().class().is_retryable());
    }
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Permanent);
    assert!(error.help().unwrap().contains("max_body"));
}

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
    assert_eq!(page(&mut feed).await.events.len(), 1);
    assert_eq!(transport.targets().iter().filter(|target| target.ends_with("/auth/me")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_leaves_the_source_where_it_stood() {
    let slow = opentrain_page([1], &json!("1"), false).after_seconds(10);
    let (mut feed, transport) = feed(json!({}), vec![slow, opentrain_page([1], &json!("1"), false)]).await;
    feed.open(None).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), feed.next()).await.is_err());
    assert_eq!(ids(&page(&mut feed).await), ["opentrain:acme:1"]);
    assert_eq!(transport.targets()[1], transport.targets()[2]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_spaces_polls_out() {
    let answer = |number: usize, _: &Request| {
        let id = number as u64 + 1;
        Reply::json(
            &json!({ "events": [opentrain_event(id)], "nextCursor": id.to_string(), "hasMore": true }),
        )
    };
    let (cx, _) = context(answer);
    let mut feed = source("opentrain_updates", json!({ "token": "hunter2", "rate": 60 }), &cx).await;
    feed.open(None).await.unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..90 {
        page(&mut feed).await;
    }
    assert!(started.elapsed() >= Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_client_is_published_for_look_ups() {
    let (cx, transport) = context(in_turn(vec![Reply::new(404, "")]));
    let _feed = source("opentrain_updates", json!({ "token": "hunter2" }), &cx).await;
    let client = Client::published(&cx.shared, "feed", "acme").unwrap();
    client.get("https://app.opentrain.ai/api/public/v1/contracts/c1").await.unwrap();
    assert_eq!(transport.requests.lock()[0].headers["authorization"], "Bearer hunter2");
    assert!(client.get("https://evil.example/contracts/c1").await.is_err());
    assert_eq!(transport.targets().len(), 1);
}

//! Pages and cursors of the OpenTrain contract.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Batch, Cursor, ErrorClass, Pace, Reason, Source};
use sluicebox_emulator::Api;
use sluicebox_http::{Client, Request};
use sluicebox_testkit::Login;

use super::scripted::{
    Reply, Scripted, context, cursor, ids, opentrain_event, opentrain_page, page, poll_requests, polled,
    polls, source,
};

/// The configured interval, with as little jitter as there can be.
const INTERVAL: Pace = Pace::After(Duration::from_secs(27));

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    let mut given = json!({ "interval": "30s" });
    given.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    polled(Api::OpenTrain, given, replies).await
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
    assert_eq!(polls(&transport), expected);
    let request = poll_requests(&transport)[0].clone();
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
    assert!(first.rejects[1].error.message.contains("`id`"), "{}", first.rejects[1].error.message);
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
    assert!(polls(&transport)[..2].iter().all(|target| !target.contains("cursor")));
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
    assert!(polls(&transport)[1].contains("cursor=2"));
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
    let asked = polls(&transport);
    assert!(asked[0].contains("cursor=41") && asked[1].contains("cursor=99"), "{asked:?}");
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

#[tokio::test(start_paused = true)]
async fn a_dropped_poll_leaves_the_source_where_it_stood() {
    let slow = opentrain_page([1], &json!("1"), false).after_seconds(10);
    let (mut feed, transport) = feed(json!({}), vec![slow, opentrain_page([1], &json!("1"), false)]).await;
    feed.open(None).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), feed.next()).await.is_err());
    assert_eq!(ids(&page(&mut feed).await), ["opentrain:acme:1"]);
    let asked = polls(&transport);
    assert_eq!(asked[0], asked[1]);
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
    let mut feed = source(Api::OpenTrain, Login::Key, &json!({ "rate": 60 }), &cx).await;
    feed.open(None).await.unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..90 {
        page(&mut feed).await;
    }
    assert!(started.elapsed() >= Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_client_is_published_for_look_ups() {
    let (cx, transport) = context(|_, _| Reply::new(404, ""));
    let _feed = source(Api::OpenTrain, Login::Key, &json!({}), &cx).await;
    let client = Client::published(&cx.shared, "feed", "acme").unwrap();
    client.get("https://app.opentrain.ai/api/public/v1/contracts/c1").await.unwrap();
    assert_eq!(transport.requests.lock()[0].headers["authorization"], "Bearer hunter2");
    assert!(client.get("https://evil.example/contracts/c1").await.is_err());
    assert_eq!(transport.targets().len(), 1);
}

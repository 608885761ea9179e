//! `zenzap_updates` against the Zenzap contract.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Batch, Cursor, ErrorClass, Pace, Source, Timestamp};
use sluicebox_http::{Request, sign};
use sluicebox_testkit::START_MILLISECONDS;

use crate::support::{Reply, Scripted, context, in_turn, source, update, zenzap_page};

const A_SECOND: Pace = Pace::After(Duration::from_secs(1));

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

fn cursor(batch: &Batch) -> Option<String> {
    batch.cursor.as_ref().map(Cursor::to_text)
}

#[tokio::test(start_paused = true)]
async fn polls_follow_each_other_and_the_offset_moves_with_empty_pages_too() {
    let replies = vec![
        zenzap_page(&["u1"], "a+/="),
        zenzap_page(&[], "b==").after_seconds(20),
        zenzap_page(&["u2", "u3"], "c"),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!((ids(&first), cursor(&first)), (vec!["zenzap:acme:u1"], Some("a+/=".into())));
    assert_eq!((first.pace, first.caught_up), (Pace::Immediately, false));
    let second = page(&mut feed).await;
    assert_eq!(
        (second.pace, second.caught_up, cursor(&second)),
        (Pace::Immediately, true, Some("b==".into()))
    );
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u2", "zenzap:acme:u3"]);
    let expected = [
        "/v2/updates?limit=50&timeout=20",
        "/v2/updates?offset=a%2B%2F%3D&limit=50&timeout=20",
        "/v2/updates?offset=b%3D%3D&limit=50&timeout=20",
    ];
    assert_eq!(transport.targets(), expected);
    for request in transport.requests.lock().iter() {
        let time: i64 = request.headers["x-timestamp"].to_str().unwrap().parse().unwrap();
        let target = &request.url[url::Position::BeforePath..];
        let expected = sign("hunter2", Timestamp::from_millis(time), target);
        assert_eq!(request.headers["x-signature"], expected.as_str());
        assert!((time - START_MILLISECONDS).abs() < 60_000);
    }
}

#[tokio::test(start_paused = true)]
async fn events_say_who_they_are() {
    let updates = json!([
        update("u1", "message.created", &json!({ "message": { "id": "m", "topicId": "t1", "senderId": "x" } })),
        update("u2", "poll_vote.created", &json!({ "topicId": "t2" })),
        { "updateId": "u3", "eventType": "webhook.test", "createdAt": "soon" },
        { "eventType": "message.created" },
        "nonsense",
    ]);
    let (mut feed, _) =
        feed(json!({}), vec![Reply::json(&json!({ "updates": updates, "nextOffset": "a" }))]).await;
    feed.open(None).await.unwrap();
    let batch = page(&mut feed).await;
    assert_eq!(ids(&batch), ["zenzap:acme:u1", "zenzap:acme:u2", "zenzap:acme:u3"]);
    let keys: Vec<&str> = batch.events.iter().map(|event| event.meta().key.as_str()).collect();
    assert_eq!(keys, ["t1", "t2", "acme"]);
    assert_eq!(batch.events[0].meta().time.as_millis(), 1_699_564_800_000);
    assert_eq!(batch.events[2].meta().time, batch.events[2].meta().received);
    assert_eq!(batch.rejects.len(), 2);
    assert_eq!(batch.events[0].json(), updates[0].to_string());
}

#[tokio::test(start_paused = true)]
async fn early_empty_pages_are_followed_by_growing_rests() {
    let (mut feed, _) = feed(json!({ "interval": "4s" }), vec![zenzap_page(&[], "a")]).await;
    feed.open(None).await.unwrap();
    let mut rests = Vec::new();
    for _ in 0..5 {
        let batch = page(&mut feed).await;
        assert!(!batch.caught_up);
        rests.push(batch.pace);
    }
    let expected = [1, 2, 4, 4, 4].map(|seconds| Pace::After(Duration::from_secs(seconds)));
    assert_eq!(rests, expected);
}

#[tokio::test(start_paused = true)]
async fn without_holding_every_empty_page_is_caught_up() {
    let (mut feed, transport) = feed(json!({ "timeout": "0s" }), vec![zenzap_page(&[], "a")]).await;
    feed.open(None).await.unwrap();
    let batch = page(&mut feed).await;
    assert_eq!((batch.caught_up, batch.pace), (true, A_SECOND));
    assert!(transport.targets()[0].ends_with("timeout=0"));
}

#[tokio::test(start_paused = true)]
async fn a_held_poll_may_take_its_timeout_and_fifteen_seconds_more() {
    let (mut feed, _) = feed(
        json!({ "timeout": "30s" }),
        vec![zenzap_page(&[], "a").after_seconds(44), zenzap_page(&[], "a").after_seconds(46)],
    )
    .await;
    feed.open(None).await.unwrap();
    assert!(page(&mut feed).await.caught_up);
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("no answer within 45 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn offsets_that_stand_still_or_go_in_a_circle_are_no_hot_loop() {
    let replies = vec![
        zenzap_page(&["u1"], "a"),
        zenzap_page(&["u2"], "b"),
        zenzap_page(&["u1"], "a"),
        zenzap_page(&["u3"], "b"),
    ];
    let (mut feed, _) = feed(json!({ "interval": "10s" }), replies).await;
    feed.open(None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let batch = page(&mut feed).await;
        assert_eq!(batch.events.len(), 1);
        seen.push((cursor(&batch).unwrap(), batch.pace == Pace::Immediately));
    }
    let moved = |text: &str, at_once| (text.to_owned(), at_once);
    let expected =
        [moved("a", true), moved("b", true), moved("b", false), moved("b", false), moved("b", false)];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn start_now_reads_history_away_without_holding_and_then_holds() {
    let replies = vec![zenzap_page(&["u1"], "a"), zenzap_page(&[], "a"), zenzap_page(&["u2"], "b")];
    let (mut feed, transport) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!((first.events.len(), cursor(&first)), (0, Some("priming a".into())));
    feed.open(first.cursor.as_ref()).await.unwrap();
    let second = page(&mut feed).await;
    assert_eq!((cursor(&second), second.caught_up), (Some("a".into()), false));
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u2"]);
    let timeouts: Vec<bool> =
        transport.targets().iter().map(|target| target.ends_with("timeout=20")).collect();
    assert_eq!(timeouts, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_next_offset_keeps_the_old_one_or_takes_the_last_update() {
    let empty = Reply::json(&json!({ "updates": [] }));
    let some = Reply::json(&json!({ "updates": [update("u7", "x", &json!({}))], "nextOffset": null }));
    let (mut feed, _) = feed(json!({}), vec![empty, some]).await;
    feed.open(Some(&Cursor::from("old"))).await.unwrap();
    assert_eq!(cursor(&page(&mut feed).await), Some("old".into()));
    assert_eq!(cursor(&page(&mut feed).await), Some("u7".into()));
}

#[tokio::test(start_paused = true)]
async fn the_wrong_delivery_mode_pauses_whatever_the_policy() {
    for saved in [None, Some(Cursor::from("a"))] {
        let (mut feed, _) = feed(json!({}), vec![Reply::new(409, "Delivery Mode is not polling")]).await;
        feed.open(saved.as_ref()).await.unwrap();
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "delivery_mode"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_offset_is_a_gap_and_polling_goes_on_without_it() {
    let replies = vec![zenzap_page(&["u1"], "a"), Reply::new(409, "gone"), zenzap_page(&["u9"], "z")];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    page(&mut feed).await;
    let lost = page(&mut feed).await;
    let gap = lost.gap.as_ref().unwrap();
    assert_eq!(gap.lost_cursor, Some(Cursor::from("a")));
    assert_eq!(gap.last_seen, Some(Timestamp::from_millis(1_699_564_800_000)));
    assert_eq!((cursor(&lost), lost.pace, lost.caught_up), (Some(String::new()), A_SECOND, false));
    feed.open(lost.cursor.as_ref()).await.unwrap();
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u9"]);
    assert!(!transport.targets()[2].contains("offset"));
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_expires_while_history_is_read_away_is_no_gap() {
    let replies = vec![
        zenzap_page(&["u1"], "a"),
        Reply::new(409, "gone"),
        zenzap_page(&[], "z"),
        zenzap_page(&["u2"], "y"),
    ];
    let (mut feed, _) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    page(&mut feed).await;
    let lost = page(&mut feed).await;
    assert_eq!((lost.gap.is_none(), cursor(&lost)), (true, Some("priming".into())));
    assert_eq!(cursor(&page(&mut feed).await), Some("z".into()));
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u2"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_409_without_an_offset_is_the_mode_and_pauses() {
    let (mut feed, _) = feed(json!({}), vec![Reply::new(409, "conflict")]).await;
    feed.open(Some(&Cursor::from("a"))).await.unwrap();
    assert!(page(&mut feed).await.gap.is_some());
    let error = feed.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "delivery_mode"));
}

#[tokio::test(start_paused = true)]
async fn on_offset_expired_stop_pauses_with_the_offset_kept() {
    let (mut feed, transport) =
        feed(json!({ "on_offset_expired": "stop" }), vec![Reply::new(409, "gone")]).await;
    feed.open(Some(&Cursor::from("a"))).await.unwrap();
    for _ in 0..2 {
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class().is_retryable(), error.reason()), (false, "offset_expired"));
    }
    assert!(transport.targets().iter().all(|target| target.contains("offset=a")));
}

#[tokio::test(start_paused = true)]
async fn every_status_is_classified() {
    for (status, class, reason) in [
        (400, ErrorClass::Config, "cursor_rejected"),
        (401, ErrorClass::Auth, "auth"),
        (403, ErrorClass::Auth, "auth"),
        (404, ErrorClass::Config, "config"),
        (418, ErrorClass::Permanent, "permanent"),
        (429, ErrorClass::RateLimited, "rate_limited"),
        (500, ErrorClass::Transient, "transient"),
        (504, ErrorClass::Transient, "transient"),
    ] {
        let (mut feed, _) = feed(json!({}), vec![Reply::new(status, "because\nhunter2")]).await;
        feed.open(Some(&Cursor::from("a"))).await.unwrap();
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (class, reason), "{status}");
        assert!(!format!("{error:?} {}", error.chain()).contains("hunter2"));
        if status == 403 {
            assert!(error.to_string().contains("updates:read"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_that_says_nothing_is_waited_out_longer_each_time_by_everybody() {
    let mut replies = vec![Reply::new(429, ""); 6];
    replies.push(Reply::new(429, "").header("retry-after", "7"));
    replies.push(zenzap_page(&[], "a"));
    replies.push(Reply::new(429, ""));
    let (mut feed, _) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let started = tokio::time::Instant::now();
        waits.push(feed.next().await.unwrap_err().retry_after().unwrap().as_secs());
        let closed = waits.len().checked_sub(2).map_or(0, |before| waits[before]);
        assert!(started.elapsed() >= Duration::from_secs(closed), "{waits:?}");
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, 60, 7]);
    page(&mut feed).await;
    assert_eq!(feed.next().await.unwrap_err().retry_after(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_named_in_the_error() {
    let refused = Reply::new(401, "unauthorized").header("date", "Fri, 12 Jun 2026 10:10:00 GMT");
    let (mut feed, transport) = feed(json!({}), vec![refused]).await;
    feed.open(None).await.unwrap();
    let error = feed.next().await.unwrap_err();
    assert!(error.to_string().contains("clock is 600 s behind the server's"), "{error}");
    assert_eq!(transport.targets().len(), 2);
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

#[tokio::test(start_paused = true)]
async fn an_access_token_is_renewed_before_it_lapses_and_sent_without_a_signature() {
    let answer = |number: usize, request: &Request| match request.url.path() {
        "/oauth/token" => Reply::json(&json!({ "access_token": format!("t{number}"), "expires_in": 200 })),
        _ => zenzap_page(&[], "a").after_seconds(20),
    };
    let options = json!({ "auth": { "oauth": { "client_id": "b@1", "client_secret": "hunter2" } } });
    let (mut feed, transport) = feed_of(options, answer).await;
    feed.open(None).await.unwrap();
    for _ in 0..14 {
        page(&mut feed).await;
    }
    let requests = transport.requests.lock();
    let fetches: Vec<usize> =
        (0..requests.len()).filter(|at| requests[*at].url.path() == "/oauth/token").collect();
    assert_eq!(fetches, [0, 8], "140 of 200 seconds are used, in polls of 20");
    assert!(requests.iter().all(|request| !request.headers.contains_key("x-signature")));
    assert_eq!(requests[9].headers["authorization"], "Bearer t8");
}

//! `opentrain_job_changes` against the OpenTrain contract, section 8.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Batch, Cursor, Error, ErrorClass, Pace, Reason, Source};

use crate::support::{Reply, Scripted, context, in_turn, source};

/// The default interval, with as little jitter as there can be.
const INTERVAL: Pace = Pace::After(Duration::from_secs(270));

fn time(second: u32) -> String {
    format!("2026-06-12T10:{:02}:{:02}.000Z", second / 60, second % 60)
}

fn change(job: &str, second: u32) -> Value {
    json!({ "jobId": job, "eventType": "PUBLISHED", "occurredAt": time(second) })
}

fn page(changes: &[Value], until: u32) -> Reply {
    Reply::json(
        &json!({ "since": time(0), "until": time(until), "changes": changes, "generatedAt": time(900) }),
    )
}

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    let (cx, transport) = context(in_turn(replies));
    (source("opentrain_job_changes", options, &cx).await, transport)
}

async fn next(feed: &mut Box<dyn Source>) -> Batch {
    feed.next().await.unwrap().unwrap()
}

fn jobs(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| event.meta().key.as_str()).collect()
}

fn cursor(batch: &Batch) -> String {
    batch.cursor.as_ref().map(Cursor::to_text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_changes_at_the_bound_come_again_and_are_left_out() {
    let replies = vec![
        page(&[change("b", 20), change("a", 10)], 20),
        page(&[change("b", 20), change("c", 20), change("d", 25)], 30),
        page(&[], 30),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    let first = next(&mut feed).await;
    assert_eq!((jobs(&first), first.pace, first.caught_up), (vec!["a", "b"], INTERVAL, true));
    let meta = first.events[0].meta();
    assert_eq!(meta.id, "opentrain:acme:job:a:PUBLISHED:2026-06-12T10:00:10.000Z");
    assert_eq!((meta.event_type.as_str(), meta.time.to_string()), ("PUBLISHED", time(10)));
    assert!(cursor(&first).starts_with(&format!("{} ", time(20))), "{}", cursor(&first));
    feed.open(first.cursor.as_ref()).await.unwrap();
    let second = next(&mut feed).await;
    assert_eq!((jobs(&second), cursor(&second)), (vec!["c", "d"], time(30)));
    assert!(next(&mut feed).await.is_empty());
    let asked = |time: &str| format!("/api/public/v1/jobs/changes?since={time}");
    let expected = ["1970-01-01T00:00:00.000Z", &time(20), &time(30)].map(asked);
    assert_eq!(transport.targets(), expected);
    assert!(transport.requests.lock().iter().all(|request| request.headers.get("authorization").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_full_answer_moves_on_to_its_end_and_asks_again_at_once() {
    let many: Vec<Value> = (0..5000).map(|job| change(&format!("j{job}"), job / 10)).collect();
    let rest = [change("j4990", 499), change("last", 501)];
    let (mut feed, transport) = feed(json!({}), vec![page(&many, 499), page(&rest, 600)]).await;
    feed.open(None).await.unwrap();
    let full = next(&mut feed).await;
    assert_eq!((full.events.len(), full.pace, full.caught_up), (5000, Pace::Immediately, false));
    let last = next(&mut feed).await;
    assert_eq!((jobs(&last), last.pace, last.caught_up), (vec!["last"], INTERVAL, true));
    assert!(transport.targets()[1].ends_with(&time(499)));
}

#[tokio::test(start_paused = true)]
async fn a_full_answer_that_moves_nothing_is_no_hot_loop() {
    let many: Vec<Value> = (0..5000).map(|job| change(&format!("j{job}"), 5)).collect();
    let (mut feed, _) = feed(json!({ "start": { "cursor": time(5) } }), vec![page(&many, 5)]).await;
    feed.open(None).await.unwrap();
    let first = next(&mut feed).await;
    assert_eq!((first.events.len(), first.pace, first.caught_up), (5000, INTERVAL, false));
    assert!(next(&mut feed).await.is_empty(), "all of them are known");
}

#[tokio::test(start_paused = true)]
async fn an_older_answer_never_moves_the_position_back() {
    let replies = vec![
        page(&[change("a", 20)], 20),
        page(&[change("a", 20), change("b", 21)], 10),
        page(&[change("a", 20), change("b", 21), change("c", 22)], 30),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    next(&mut feed).await;
    let stale = next(&mut feed).await;
    assert_eq!((jobs(&stale), &cursor(&stale)[..24], stale.pace), (vec!["b"], &*time(20), INTERVAL));
    assert_eq!(jobs(&next(&mut feed).await), ["c"]);
    assert!(transport.targets()[2].ends_with(&time(20)));
}

#[tokio::test(start_paused = true)]
async fn start_now_reads_away_what_there_is_across_a_restart() {
    let many: Vec<Value> = (0..5000).map(|job| change(&format!("j{job}"), 5)).collect();
    let replies = vec![
        page(&many, 5),
        page(&[change("j1", 5), change("old", 9)], 9),
        page(&[change("old", 9), change("new", 9)], 12),
    ];
    let (mut feed, _) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    let first = next(&mut feed).await;
    assert!(first.is_empty() && cursor(&first).starts_with("priming "), "{}", &cursor(&first)[..40]);
    feed.open(first.cursor.as_ref()).await.unwrap();
    let second = next(&mut feed).await;
    assert!(second.is_empty() && cursor(&second).starts_with(&time(9)));
    feed.open(second.cursor.as_ref()).await.unwrap();
    assert_eq!(jobs(&next(&mut feed).await), ["new"], "what was at the bound is history too");
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_no_change_becomes_one_dead_letter() {
    let items = [json!("no"), json!({ "jobId": "x" }), change("a", 1)];
    let (mut feed, _) = feed(json!({}), vec![page(&items, 20), page(&items[..2], 20)]).await;
    feed.open(None).await.unwrap();
    let first = next(&mut feed).await;
    assert_eq!((jobs(&first), first.rejects.len()), (vec!["a"], 2));
    assert!(first.rejects.iter().all(|reject| reject.reason == Reason::Parse));
    assert!(next(&mut feed).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_are_classified_and_move_nothing() {
    let envelope = |code: &str| json!({ "error": "no", "code": code, "requestId": "r1" }).to_string();
    for (reply, class, said) in [
        (Reply::new(400, envelope("BAD_REQUEST")), ErrorClass::Config, "1970-01-01T00:00:00.000Z"),
        (Reply::new(401, ""), ErrorClass::Auth, "public"),
        (Reply::new(404, ""), ErrorClass::Config, "api/public/v1"),
        (Reply::new(429, envelope("RATE_LIMITED")).header("retry-after", "7"), ErrorClass::RateLimited, "r1"),
        (Reply::new(503, "down"), ErrorClass::Transient, "503"),
        (Reply::new(409, ""), ErrorClass::Permanent, "409"),
        (Reply::new(200, "<html>"), ErrorClass::Transient, "not a page of job changes"),
        (Reply::json(&json!({ "changes": [], "until": null })), ErrorClass::Transient, "`until`"),
    ] {
        let (mut feed, transport) = feed(json!({}), vec![reply, page(&[], 1)]).await;
        feed.open(None).await.unwrap();
        let error: Error = feed.next().await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.reason() == "cursor_rejected", said.starts_with("1970"), "{error}");
        assert_eq!(error.retry_after(), (class == ErrorClass::RateLimited).then_some(Duration::from_secs(7)));
        next(&mut feed).await;
        let targets = transport.targets();
        assert_eq!(targets[0], targets[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_cursor_that_is_no_time_pauses() {
    let (mut feed, _) = feed(json!({}), vec![page(&[], 1)]).await;
    let error = feed.open(Some(&Cursor::from("1041"))).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "cursor_rejected"));
    feed.open(Some(&Cursor::from("2026-06-12T00:00:00Z"))).await.unwrap();
}

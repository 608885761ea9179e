//! Where the cursor stands after pages of all kinds.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Batch, Cursor, Pace};

use crate::support::{Reply, context, in_turn, page, source};

fn ids(batch: Batch) -> Vec<String> {
    let events = batch.read().events;
    events.iter().map(|event| event.meta().id.rsplit(':').next().unwrap().to_owned()).collect()
}

/// The cursors after each of these answers, the targets that were asked for, and whether each was followed at once.
async fn polled(more: &Value, replies: Vec<Reply>) -> (Vec<Option<String>>, Vec<String>, Vec<bool>) {
    let count = replies.len();
    let (cx, transport) = context(in_turn(replies));
    let mut source = source(more, &cx, None).await;
    let (mut cursors, mut at_once) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let batch = source.next().await.unwrap().unwrap();
        cursors.push(batch.cursor.as_ref().map(Cursor::to_text));
        at_once.push(batch.pace == Pace::Immediately);
    }
    (cursors, transport.targets(), at_once)
}

fn texts(cursors: &[Option<String>]) -> Vec<&str> {
    cursors.iter().map(|cursor| cursor.as_deref().unwrap_or("none")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_kept_as_it_is_written_and_never_replaced_by_nothing() {
    let number = Reply::new(200, r#"{"events":[{"id":"1"}],"next":18446744073709551617}"#);
    let (cursors, targets, at_once) = polled(
        &json!({}),
        vec![
            number,
            page(&["2"], &json!("a+b/==")),
            page(&[], &Value::Null),
            page(&["3"], &Value::Null),
            page(&["4"], &json!("a+b/==")),
            page(&["5"], &json!("18446744073709551617")),
        ],
    )
    .await;
    assert_eq!(texts(&cursors)[..2], ["18446744073709551617", "a+b/=="]);
    assert_eq!(texts(&cursors[2..]), ["a+b/=="; 4]);
    assert_eq!(
        targets[..3],
        ["/events", "/events?after=18446744073709551617", "/events?after=a%2Bb%2F%3D%3D"]
    );
    // The end, a page that does not say where it ends, one that stays, one that goes back: each waits.
    assert_eq!(at_once, [true, true, false, false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_header_or_the_last_item_can_hold_the_cursor() {
    let reply = |id: &str, next: &'static str| page(&[id], &Value::Null).header("x-next", next);
    let header = json!({ "cursor": { "next": { "header": "X-Next" } } });
    let (cursors, ..) = polled(&header, vec![reply("1", "p1"), reply("2", "p2")]).await;
    assert_eq!(texts(&cursors), ["p1", "p2"]);
    let last = json!({ "cursor": { "next": { "last_item": "id" } }, "newest_first": true });
    let (cursors, ..) = polled(&last, vec![page(&["2", "1"], &Value::Null), page(&[], &Value::Null)]).await;
    assert_eq!(texts(&cursors), ["2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn links_are_followed_to_the_last_page_which_is_asked_for_again() {
    let link = |page: u32| format!("<https://api.example.com/events?page={page}>; rel=\"next\"");
    let options = json!({
        "cursor": { "next": { "link": "next" } }, "request": { "path": "/events", "query": { "kind": "all" } }
    });
    let replies = vec![
        page(&["1"], &Value::Null).header("link", link(2)),
        page(&["2"], &Value::Null).header("link", link(3)),
        page(&["3"], &Value::Null),
        page(&["3", "4"], &Value::Null),
    ];
    let (cursors, targets, at_once) = polled(&options, replies).await;
    assert_eq!(targets, ["/events?kind=all", "/events?page=2", "/events?page=3", "/events?page=3"]);
    assert_eq!(cursors.last().unwrap().as_deref(), Some("https://api.example.com/events?page=3"));
    assert_eq!(at_once, [true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_link_to_another_host_is_never_followed_nor_saved() {
    let options = json!({ "cursor": { "next": { "link": "next" } }, "request": { "path": "/events" } });
    let (cx, transport) =
        context(|_, _| page(&["1"], &Value::Null).header("link", "<https://evil.example/events>; rel=next"));
    let mut source = source(&options, &cx, None).await;
    for _ in 0..2 {
        assert_eq!(source.next().await.unwrap_err().reason(), "protocol");
    }
    assert_eq!(transport.targets(), ["/events", "/events"]);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_costs_nothing_and_a_restart_asks_anew() {
    let (cx, transport) = context(|number, request| {
        let tag = request.headers.get("if-none-match").map(|tag| tag.to_str().unwrap().to_owned());
        match number {
            0 | 2 => {
                assert_eq!(tag, None);
                page(&["1"], &Value::Null).header("etag", "\"v1\"").header("x-poll-interval", "60")
            }
            _ => {
                assert_eq!(tag.as_deref(), Some("\"v1\""));
                Reply::new(304, "")
            }
        }
    });
    let options = json!({
        "cursor": null, "request": { "path": "/events" }, "etag": true, "interval_header": "X-Poll-Interval"
    });
    let mut source = source(&options, &cx, None).await;
    let first = source.next().await.unwrap().unwrap();
    let Pace::After(wait) = first.pace else { panic!("no wait") };
    assert!(wait >= Duration::from_secs(60), "{wait:?}");
    assert_eq!(ids(first), ["1"]);
    let second = source.next().await.unwrap().unwrap();
    assert!(second.caught_up && second.is_empty());
    source.open(None).await.unwrap();
    assert_eq!(ids(source.next().await.unwrap().unwrap()), ["1"]);
    assert_eq!(transport.targets().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_telegram_like_cursor_is_counted_up_when_it_is_sent() {
    let options = json!({
        "request": { "path": "/getUpdates", "query": { "offset": "{{ cursor + 1 }}" } },
        "items": "result", "cursor": { "next": { "last_item": "update_id" }, "kind": "number" },
        "event": { "id": "update_id" }, "class": "confirm_on_read",
    });
    let replies = vec![
        Reply::new(200, r#"{"ok":true,"result":[{"update_id":199}]}"#),
        Reply::new(200, r#"{"result":[]}"#),
    ];
    let (cursors, targets, _) = polled(&options, replies).await;
    assert_eq!(targets, ["/getUpdates", "/getUpdates?offset=200"]);
    assert_eq!(texts(&cursors), ["199", "199"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_begins_before_the_cursor_and_pages_on_from_there() {
    let options = json!({
        "items": "rows", "cursor": { "next": { "last_item": "at" }, "overlap": "10m" }, "class": "record_field",
        "event": { "id": ["id", "at"], "time": "at" },
    });
    let rows = |times: &[&str]| {
        let rows: Vec<Value> = times.iter().map(|at| json!({ "id": 1, "at": at })).collect();
        Reply::json(&json!({ "rows": rows }))
    };
    let (one, two, late) = ("2026-06-12T10:00:00Z", "2026-06-12T10:20:00Z", "2026-06-12T10:15:00Z");
    let replies = vec![rows(&[one, two]), rows(&[two]), rows(&[late]), rows(&[two]), rows(&[two])];
    let (cursors, targets, at_once) = polled(&options, replies).await;
    assert_eq!(texts(&cursors), [two; 5]);
    let asked = |at: &str| format!("/events?after={}", at.replace(':', "%3A"));
    let early = asked("2026-06-12T10:10:00.000Z");
    // Two sweeps: to the end from nothing, where the first page is followed by its boundary; then with the overlap.
    assert_eq!(targets, ["/events".to_owned(), asked(two), early, asked(late), asked(two)]);
    assert_eq!(at_once, [true, false, true, true, false]);
}

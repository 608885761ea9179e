//! Offsets of the Zenzap contract: those that stand still, are missing, or are no longer available.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Cursor, Pace, Source, Timestamp};
use sluicebox_emulator::Api;

use super::scripted::{Reply, Scripted, cursor, ids, page, polled, polls, update, zenzap_page};
use crate::FORM;

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    polled(Api::Zenzap, options, replies).await
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
async fn a_missing_next_offset_keeps_the_old_one_or_takes_the_last_update() {
    let empty = Reply::json(&json!({ "updates": [] }));
    let some = Reply::json(&json!({ "updates": [update("u7", "x", &json!({}))], "nextOffset": null }));
    let (mut feed, _) = feed(json!({}), vec![empty, some]).await;
    feed.open(Some(&Cursor::from("old"))).await.unwrap();
    assert_eq!(cursor(&page(&mut feed).await), Some("old".into()));
    let expected = if FORM.falls_back_to_the_last_update() { "u7" } else { "old" };
    assert_eq!(cursor(&page(&mut feed).await), Some(expected.into()));
}

#[tokio::test(start_paused = true)]
async fn the_wrong_delivery_mode_pauses_whatever_the_policy() {
    for saved in [None, Some(Cursor::from("a"))] {
        let (mut feed, _) = feed(json!({}), vec![Reply::new(409, "Delivery Mode is not polling")]).await;
        feed.open(saved.as_ref()).await.unwrap();
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), FORM.wrong_mode());
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
    assert_eq!(
        (cursor(&lost), lost.pace, lost.caught_up),
        (Some(String::new()), Pace::After(Duration::from_secs(1)), false)
    );
    feed.open(lost.cursor.as_ref()).await.unwrap();
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u9"]);
    assert!(!polls(&transport)[2].contains("offset"));
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
    assert_eq!((error.class(), error.reason()), FORM.wrong_mode());
}

#[tokio::test(start_paused = true)]
async fn on_offset_expired_stop_pauses_with_the_offset_kept() {
    let (mut feed, transport) =
        feed(json!({ FORM.on_expired(): "stop" }), vec![Reply::new(409, "gone")]).await;
    feed.open(Some(&Cursor::from("a"))).await.unwrap();
    for _ in 0..2 {
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class().is_retryable(), error.reason()), (false, "offset_expired"));
    }
    assert!(polls(&transport).iter().all(|target| target.contains("offset=a")));
}

//! What refusals of Zenzap mean.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{Cursor, ErrorClass, Source};
use sluicebox_emulator::Api;

use super::scripted::{Reply, SECRET, Scripted, page, polled, polls, zenzap_page};
use crate::FORM;

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    polled(Api::Zenzap, options, replies).await
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
        assert!(!format!("{error:?} {}", error.chain()).contains(SECRET));
        if status == 403 && FORM.understands_refusals() {
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
    assert_eq!(polls(&transport).len(), 2);
}

//! Which files, in which order, from where and until when.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use sluicebox_core::{Cursor, ErrorClass};

use crate::support::{Reading, events, lines};

#[tokio::test]
async fn a_torn_last_line_waits_for_its_end() {
    let mut reading = Reading::new("a.jsonl", &json!({}));
    assert!(reading.read().await.is_empty(), "a file that is not there is waited for");
    reading.append("a.jsonl", "{\"n\":0}\n{\"n\"");
    assert_eq!(reading.read().await, events(0..1));
    reading.append("a.jsonl", ":1}");
    assert!(reading.read().await.is_empty());
    reading.append("a.jsonl", "\n");
    assert_eq!(reading.read().await, events(1..2));
    reading.assert_ids_differ();
}

#[tokio::test]
async fn without_tail_the_end_of_the_files_is_the_end() {
    let mut reading = Reading::new("*.jsonl", &json!({ "tail": false }));
    reading.append("a.jsonl", "{\"n\":0}\n{\"n\":1}");
    assert_eq!(reading.read().await, events(0..2));
    assert!(!reading.page().await.unwrap());
    let mut missing = Reading::new("a.jsonl", &json!({ "tail": false }));
    let error = missing.page().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "unreadable"));
}

#[tokio::test]
async fn files_that_match_later_are_read_and_hidden_ones_are_not() {
    let mut reading = Reading::new("**/*.jsonl", &json!({}));
    reading.append("b.jsonl", &lines(0..2));
    assert_eq!(reading.read().await, events(0..2));
    reading.append(".c.jsonl.part", &lines(9..10));
    reading.append(".d.jsonl", &lines(9..10));
    std::fs::create_dir_all(reading.path("deep/er.jsonl")).unwrap();
    reading.append("deep/er.jsonl/a.jsonl", &lines(2..3));
    reading.append("b.jsonl", &lines(3..4));
    assert_eq!(reading.read().await, [events(3..4), events(2..3)].concat());
    reading.rename(".c.jsonl.part", "c.jsonl");
    assert_eq!(reading.read().await, events(9..10));
    assert_eq!(reading.known(), ["b.jsonl", "a.jsonl", "c.jsonl"]);
}

#[tokio::test]
async fn start_now_passes_over_what_is_there_but_not_what_comes() {
    let mut reading = Reading::new("*.jsonl", &json!({ "start": "now" }));
    reading.append("a.jsonl", &lines(0..5000));
    assert!(reading.read().await.is_empty());
    reading.kill();
    reading.append("a.jsonl", &lines(5000..5001));
    reading.append("b.jsonl", &lines(0..1));
    assert_eq!(reading.read().await, [events(5000..5001), events(0..1)].concat());
}

#[tokio::test]
async fn reading_goes_on_after_any_page_and_ids_are_the_same_again() {
    let mut reading = Reading::new("*.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..2500));
    reading.append("b.jsonl", &lines(2500..2600));
    let mut cursors: Vec<Option<Cursor>> = vec![None];
    while reading.page().await.unwrap() {
        cursors.push(reading.cursor.clone());
    }
    let ids: Vec<_> = reading.events.iter().map(|event| event.meta().id.clone()).collect();
    assert_eq!((ids.len(), cursors.len()), (2600, 5));
    for cursor in cursors {
        reading.start_over(cursor.clone()).await;
        let again = reading.events.len();
        reading.read().await;
        let replayed: Vec<_> = reading.events[again..].iter().map(|event| event.meta().id.clone()).collect();
        assert_eq!(replayed, ids[ids.len() - replayed.len()..], "in the same process");
        reading.cursor = cursor;
        reading.kill();
        let again = reading.events.len();
        reading.read().await;
        let reopened: Vec<_> = reading.events[again..].iter().map(|event| event.meta().id.clone()).collect();
        assert_eq!(reopened, replayed, "in another one");
    }
}

#[tokio::test]
async fn a_poll_that_is_dropped_loses_nothing_and_repeats_nothing() {
    let mut reading = Reading::new("a.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..9500));
    assert!(reading.page().await.unwrap());
    reading.begin_poll();
    reading.page().await.unwrap();
    let behind = reading.cursor.clone();
    drop(reading.drop_poll());
    reading.start_over(behind).await;
    reading.read().await;
    reading.assert_ids_differ();
    assert_eq!(reading.events.len(), 9500);
}

#[tokio::test]
async fn a_file_that_may_not_be_read_pauses_after_the_others() {
    let mut reading = Reading::new("*.jsonl", &json!({}));
    reading.append("a.jsonl", &lines(0..2));
    reading.append("b.jsonl", &lines(2..4));
    reading.append("c.jsonl", &lines(4..6));
    let path = reading.path("b.jsonl");
    let allow = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    allow(0o000);
    if std::fs::read(reading.path("b.jsonl")).is_ok() {
        // Whoever runs the test may read everything.
        assert_eq!(reading.read().await, events(0..6));
        return;
    }
    reading.page().await.unwrap();
    reading.page().await.unwrap();
    let error = reading.page().await.unwrap_err();
    assert_eq!(
        (error.class(), error.reason(), reading.events.len()),
        (ErrorClass::Permanent, "unreadable", 4)
    );
    allow(0o600);
    reading.kill();
    assert_eq!(reading.read().await, events(2..4));
}

#[tokio::test]
async fn a_file_that_is_broken_pauses_after_the_others_with_its_name() {
    let mut reading = Reading::new("*", &json!({}));
    std::fs::write(reading.path("a.jsonl.gz"), b"no gzip at all").unwrap();
    reading.append("b.jsonl", &lines(0..2));
    assert!(reading.page().await.unwrap());
    let error = reading.page().await.unwrap_err();
    assert!(error.to_string().contains("a.jsonl.gz is not gzip"), "{error}");
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "unreadable"));
    assert_eq!(reading.events.len(), 2);
}

#[tokio::test]
async fn more_files_than_allowed_are_refused() {
    let mut reading = Reading::new("*.jsonl", &json!({ "max_files": 2 }));
    reading.append("a.jsonl", &lines(0..1));
    reading.append("b.jsonl", &lines(1..2));
    reading.read().await;
    reading.append("c.jsonl", &lines(2..3));
    let error = reading.page().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.to_string().contains("3 files, more than 2"), "{error}");
}

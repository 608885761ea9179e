//! Partitions that come while a source runs, and confirmations to an upstream that wants to hear.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::{Arc, Mutex};

use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::SourceClass;
use sluicebox_engine::Outcome;
use support::{Destination, Feed, Piped, Verdict, pause, until};

fn topic(total: u64, partitions: &[&'static str]) -> Feed {
    Feed { partitions: partitions.to_vec(), ..Feed::new("topic", total, 100) }
}

fn cursors(store: &MemoryStore) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let state = store.state();
    let cursors = state.partitions.iter().map(|record| {
        (record.partition.to_string(), record.cursor.as_ref().map(|cursor| text(cursor)).unwrap_or_default())
    });
    let mut cursors: Vec<_> = cursors.collect();
    cursors.sort();
    cursors
}

#[tokio::test]
async fn every_partition_has_a_cursor_of_its_own_and_goes_on_there() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let piped = Piped::new().source(topic(250, &["a/0", "a/1"])).sink("exact", &["topic"], &exact, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    let at = |n: u64| n.to_string();
    assert_eq!(cursors(&store), [("a/0".to_owned(), at(250)), ("a/1".to_owned(), at(250))]);
    assert_eq!(exact.numbers().len(), 500);

    // A third partition appears; the others go on where they stood, also if only the destination knows.
    let (fresh, feed) = (Arc::new(MemoryStore::new()), topic(300, &["a/1", "a/0", "a/2"]));
    let opened = Arc::clone(&feed.opened);
    let piped = Piped::new().source(feed).sink("exact", &["topic"], &exact, true);
    assert!(matches!(piped.run_once(&fresh).await, Outcome::Finished));
    assert_eq!(opened.lock().unwrap().iter().filter(|cursor| cursor.as_deref() == Some("250")).count(), 2);
    assert_eq!(exact.numbers().len(), 900, "nothing twice, nothing lost");
    assert_eq!(cursors(&fresh).len(), 3);
}

#[tokio::test]
async fn an_upstream_hears_of_a_cursor_only_after_everything_before_it_is_durable() {
    let (store, slow) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let confirmed = Arc::<Mutex<Vec<String>>>::default();
    let open = Arc::new(Mutex::new(false));
    let gate = Arc::clone(&open);
    *slow.gate.lock().unwrap() = Some(Box::new(move |_| {
        if *gate.lock().unwrap() {
            Verdict::Write
        } else {
            Verdict::Fail(sluicebox_core::Error::transient("not yet"))
        }
    }));
    let feed = Feed {
        class: SourceClass::Push,
        confirmed: Some(Arc::clone(&confirmed)),
        ..Feed::new("queue", 300, 100)
    };
    let polls = Arc::clone(&feed.polls);
    let piped = Piped::new().source(feed).sink("slow", &["queue"], &slow, false);
    let (running, drain) = piped.start(&store, false).await;
    until("all pages polled", || polls.load(std::sync::atomic::Ordering::SeqCst) >= 3).await;
    pause(100).await;
    assert!(confirmed.lock().unwrap().is_empty(), "nothing is durable yet");
    *open.lock().unwrap() = true;
    until("the confirmation", || confirmed.lock().unwrap().last().map(String::as_str) == Some("300")).await;
    assert_eq!(slow.numbers().len(), 300);
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
}

#[tokio::test]
async fn the_last_confirmation_comes_before_the_run_ends() {
    let (store, plain) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let confirmed = Arc::<Mutex<Vec<String>>>::default();
    let feed = Feed { confirmed: Some(Arc::clone(&confirmed)), ..topic(250, &["q/0"]) };
    let piped = Piped::new().source(feed).sink("plain", &["topic"], &plain, false);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(confirmed.lock().unwrap().last().map(String::as_str), Some("250"));
}

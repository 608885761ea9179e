//! What wakes a source that rests, and what components leave to the engine beside their calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::Error;
use sluicebox_engine::{Failure, Outcome};
use support::{Destination, Feed, Piped, until};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_bell_ends_the_rest_at_once_and_is_heard_when_it_rang_during_a_poll() {
    let (store, plain) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let feed = Feed { rest: HOUR, ..Feed::new("feed", 10, 10) };
    let (polls, bell) = (Arc::clone(&feed.polls), Arc::clone(&feed.bell));
    // It rings before anybody rests.
    bell.notify_one();
    let piped = Piped::new().source(feed).sink("plain", &["feed"], &plain, false);
    let (running, drain) = piped.start(&store, false).await;
    for expected in 2..=5 {
        until("the next poll", || polls.load(Ordering::SeqCst) == expected).await;
        bell.notify_one();
    }
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
    assert_eq!(plain.numbers(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bell_does_not_shorten_the_wait_after_a_failure() {
    let (store, plain) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let busy = Error::rate_limited("too many requests", Some(HOUR));
    let feed = Feed { failures: [(1, vec![busy])].into(), ..Feed::new("feed", 10, 10) };
    let (polls, bell) = (Arc::clone(&feed.polls), Arc::clone(&feed.bell));
    let piped = Piped::new().source(feed).sink("plain", &["feed"], &plain, false);
    let (running, drain) = piped.start(&store, false).await;
    until("the refusal", || polls.load(Ordering::SeqCst) == 1).await;
    bell.notify_one();
    support::pause(100).await;
    assert_eq!(polls.load(Ordering::SeqCst), 1, "the server has asked for an hour");
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
}

#[tokio::test]
async fn background_work_that_fails_ends_the_pipeline() {
    let (store, plain) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let signal = Arc::<Notify>::default();
    let feed = Feed { background: Some(Arc::clone(&signal)), rest: HOUR, ..Feed::new("feed", 10, 10) };
    let piped = Piped::new().source(feed).sink("plain", &["feed"], &plain, false);
    let (running, _drain) = piped.start(&store, false).await;
    until("the events", || plain.numbers().len() == 10).await;
    signal.notify_one();
    let Outcome::Failed(Failure::Component { component, message }) = running.wait().await else {
        panic!("it ends as failed")
    };
    assert_eq!((component.as_str(), message.as_str()), ("feed", "the listener fell over"));
}

#[tokio::test]
async fn background_work_keeps_nobody_from_ending() {
    let (store, plain) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let feed = Feed { background: Some(Arc::default()), ..Feed::new("feed", 10, 10) };
    let piped = Piped::new().source(feed).sink("plain", &["feed"], &plain, false);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
}

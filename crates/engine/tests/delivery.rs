//! The promise: nothing lost, nothing doubled where position and data are one, order per key.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::Arc;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{DeadLetterError, DiscardReason, Error, Reason, SourceClass};
use sluicebox_engine::Outcome;
use support::{Destination, Feed, Piped, Step, Verdict, pause, until};

fn cursor(store: &MemoryStore, source: &str) -> Option<String> {
    let state = store.state();
    let record = state.partitions.iter().find(|record| record.source == source)?.clone();
    record.cursor.map(|cursor| String::from_utf8(cursor.to_vec()).unwrap())
}

#[tokio::test]
async fn a_feed_reaches_two_sinks_in_order_and_its_cursor_is_saved() {
    let (store, plain, exact) = (Arc::new(MemoryStore::new()), Arc::default(), Arc::default());
    let piped = Piped::new().source(Feed::new("feed", 1050, 100));
    let piped = piped.sink("plain", &["feed"], &plain, false).sink("exact", &["feed"], &exact, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    let all: Vec<u64> = (1..=1050).collect();
    assert_eq!(plain.numbers(), all);
    assert_eq!(exact.numbers(), all);
    assert_eq!(cursor(&store, "feed").as_deref(), Some("1050"));
}

#[tokio::test]
async fn the_cursor_is_committed_together_with_the_data() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let piped = Piped::new().source(Feed::new("feed", 500, 100)).sink("exact", &["feed"], &exact, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    let position = exact.positions.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(
        position.safe_cursor.as_deref(),
        Some(&b"500"[..]),
        "the destination's own row holds the last cursor"
    );
    assert!(position.ahead.is_empty());

    // The checkpoint is lost altogether: the destination alone knows where to go on.
    let fresh = Arc::new(MemoryStore::new());
    let piped = Piped::new().source(Feed::new("feed", 700, 100)).sink("exact", &["feed"], &exact, true);
    assert!(matches!(piped.run_once(&fresh).await, Outcome::Finished));
    assert_eq!(exact.numbers(), (1..=700).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_sink_committed_ahead_of_a_slower_one_is_not_committed_twice() {
    let (store, slow, exact) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    *slow.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Hang));
    let piped = || {
        Piped::new().source(Feed::new("feed", 1000, 100)).sink("slow", &["feed"], &slow, false).sink(
            "exact",
            &["feed"],
            &exact,
            true,
        )
    };
    let (running, _drain) = piped().start(&store, false).await;
    until("the fast sink", || exact.numbers().len() == 1000).await;
    drop(running);
    assert_eq!(cursor(&store, "feed"), None, "the slow sink has nothing, so no cursor is safe");

    *slow.gate.lock().unwrap() = None;
    assert!(matches!(piped().run_once(&store).await, Outcome::Finished));
    assert_eq!(exact.numbers(), (1..=1000).collect::<Vec<_>>(), "no duplicate");
    assert_eq!(slow.numbers(), (1..=1000).collect::<Vec<_>>(), "nothing lost");
}

#[tokio::test]
async fn filtered_split_and_dead_lettered_events_settle_their_page() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let step = Step(|n, index, event, out| match n % 4 {
        0 => out.discard(index, DiscardReason::Filtered),
        1 => out.dead_letter(index, event, Reason::Explicit, DeadLetterError::new("not this one")),
        2 => {
            out.emit(index, event.child("out", 0, event.json()));
            out.emit(index, event.child("out", 1, event.json()));
        }
        _ => out.emit(index, event),
    });
    let piped = Piped::new().source(Feed::new("feed", 100, 10)).transform("step", "feed", None, step);
    let piped = piped.sink("sink", &["step"], &sink, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(sink.numbers().len(), 25 * 2 + 25);
    assert_eq!(store.dead_letters().len(), 25);
    assert_eq!(cursor(&store, "feed").as_deref(), Some("100"));
}

#[tokio::test]
async fn what_does_not_match_goes_around_a_transform_in_its_place() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let step = Step(|_, index, event, out| out.emit(index, event));
    let piped = Piped::new().source(Feed::new("feed", 50, 10));
    let piped =
        piped.transform("step", "feed", Some("event.n % 3 == 0"), step).sink("sink", &["step"], &sink, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(sink.numbers(), (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_row_that_can_never_be_committed_becomes_one_dead_letter_in_the_transaction() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|events| {
        let bad = events
            .iter()
            .position(|event| support::number(std::str::from_utf8(&event.json()).unwrap()) == 37);
        bad.map_or(Verdict::Write, |index| Verdict::Reject(vec![(index, Error::permanent("bad row"))]))
    }));
    let piped = Piped::new().source(Feed::new("feed", 100, 10)).sink("sink", &["feed"], &sink, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(sink.numbers().len(), 99);
    assert_eq!(*sink.dead_letters.lock().unwrap(), ["test:feed:37"]);
    assert_eq!(store.dead_letters().len(), 1);
    assert_eq!(store.dead_letters()[0].reason, Reason::Rejected);
}

#[tokio::test]
async fn a_batch_refused_whole_is_halved_until_the_guilty_event_stands_alone() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|events| {
        let numbers = events.iter().map(|event| support::number(std::str::from_utf8(&event.json()).unwrap()));
        if numbers.into_iter().any(|n| n == 61) {
            Verdict::Fail(Error::permanent("poison"))
        } else {
            Verdict::Write
        }
    }));
    let piped = Piped::new().source(Feed::new("feed", 100, 100)).sink("sink", &["feed"], &sink, false);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(
        sink.numbers(),
        (1..=100).filter(|n| *n != 61).collect::<Vec<_>>(),
        "in order, without the poison"
    );
    assert_eq!(store.dead_letters().len(), 1);
}

#[tokio::test]
async fn a_retrying_event_blocks_only_its_own_key() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut refusals = 0;
    *sink.gate.lock().unwrap() = Some(Box::new(move |events| {
        let blocked: Vec<_> =
            events.iter().enumerate().filter(|(_, event)| event.meta().key == "k1").collect();
        if blocked.is_empty() || refusals == 2 {
            return Verdict::Write;
        }
        refusals += 1;
        Verdict::Reject(blocked.into_iter().map(|(index, _)| (index, Error::transient("later"))).collect())
    }));
    let mut feed = Feed::new("feed", 90, 30);
    feed.keys = 3;
    let piped = Piped::new().source(feed).sink("sink", &["feed"], &sink, false);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    let numbers = sink.numbers();
    for key in 0..3 {
        let of_key: Vec<u64> = numbers.iter().copied().filter(|n| n % 3 == key).collect();
        assert!(of_key.is_sorted() && of_key.len() == 30, "key {key}: {of_key:?}");
    }
    assert!(numbers[..60].iter().all(|n| n % 3 != 1), "the other keys did not wait: {numbers:?}");
}

#[tokio::test]
async fn confirm_on_read_polls_again_only_after_the_page_is_durable() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Hang));
    let mut feed = Feed::new("feed", 100, 10);
    feed.class = SourceClass::ConfirmOnRead;
    let polls = Arc::clone(&feed.polls);
    let (running, _drain) =
        Piped::new().source(feed).sink("sink", &["feed"], &sink, true).start(&store, false).await;
    until("the write", || sink.writes.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    pause(100).await;
    assert_eq!(
        polls.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "nothing is durable, so nothing is asked for"
    );
    drop(running);
}

#[test]
fn a_pipeline_can_be_started_and_awaited_on_any_thread() {
    fn starts<F: Future + Send>(_: impl FnOnce(sluicebox_config::Plan, sluicebox_engine::Surroundings) -> F) {
    }
    fn waits<F: Future + Send>(_: impl FnOnce(sluicebox_engine::Running) -> F) {}
    starts(sluicebox_engine::start);
    waits(sluicebox_engine::Running::wait);
}

#[tokio::test]
async fn a_sink_that_stops_half_way_goes_on_there_before_anything_newer() {
    let (store, slow) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut calls = 0;
    *slow.gate.lock().unwrap() = Some(Box::new(move |events| {
        calls += 1;
        match calls % 3 {
            1 => Verdict::Stop(events.len() / 3, Some(Error::rate_limited("slowly", None))),
            2 => Verdict::Stop(events.len() / 2, None),
            _ => Verdict::Write,
        }
    }));
    let feed = Feed { keys: 7, ..Feed::new("feed", 200, 20) };
    let mut piped = Piped::new().source(feed).sink("slow", &["feed"], &slow, false);
    piped.0.sinks[0].batch.max_events = 60;
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(slow.numbers(), (1..=200).collect::<Vec<_>>(), "over all keys");
    assert_eq!(cursor(&store, "feed").as_deref(), Some("200"));
}

#[tokio::test]
async fn what_comes_after_a_parked_event_of_its_key_waits_in_the_other_half_too() {
    let (store, rows) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut attempts = 0;
    *rows.gate.lock().unwrap() = Some(Box::new(move |events| {
        let numbers: Vec<_> =
            events.iter().map(|event| support::number(std::str::from_utf8(&event.json()).unwrap())).collect();
        match numbers[..] {
            // Nothing of a request with the second goes through.
            _ if numbers.contains(&2) => Verdict::Fail(Error::permanent("no twos")),
            // The first has to wait for a while.
            [1] if std::mem::replace(&mut attempts, 1) == 0 => {
                Verdict::Reject(vec![(0, Error::transient("not now"))])
            }
            _ => Verdict::Write,
        }
    }));
    let feed = Feed { keys: 2, ..Feed::new("feed", 3, 3) };
    let piped = Piped::new().source(feed).sink("rows", &["feed"], &rows, false);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(rows.numbers(), [1, 3], "the third has the key of the first");
}

//! Dead letters that go to a sink of the pipeline.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::{Arc, Mutex};

use serde_json::Value;
use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{DeadLetterError, Error, Reason};
use sluicebox_engine::Outcome;
use support::{Destination, Feed, Piped, Step, Verdict, pause, until};

/// The fields of a letter: its component, its reason, the event's number.
fn letters(destination: &Destination) -> Vec<(String, String, u64)> {
    let rows = destination.rows.lock().unwrap();
    let read = |row: &String| {
        let letter: Value = serde_json::from_str(row).unwrap();
        let text = |field: &str| letter[field].as_str().unwrap().to_owned();
        (text("component"), text("reason"), letter["event"]["n"].as_u64().unwrap())
    };
    rows.iter().map(read).collect()
}

fn saved(store: &MemoryStore) -> Option<String> {
    let state = store.state();
    let cursor = state.partitions.first().and_then(|record| record.cursor.clone())?;
    Some(String::from_utf8(cursor.to_vec()).unwrap())
}

fn every_tenth_fails() -> Step {
    Step(|number, index, event, out| {
        if number % 10 == 0 {
            out.dead_letter(index, event, Reason::Script, DeadLetterError::new("ten is too many"));
        } else {
            out.emit(index, event);
        }
    })
}

#[tokio::test]
async fn letters_of_a_rule_are_events_of_the_sink_that_takes_them() {
    let (store, rows, bad) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    let piped = Piped::new().source(Feed::new("feed", 100, 30));
    let piped = piped.transform("rule", "feed", None, every_tenth_fails());
    let piped = piped.sink("rows", &["rule"], &rows, true).sink("bad", &[], &bad, true);
    assert!(matches!(piped.letters("rule", "bad").run_once(&store).await, Outcome::Finished));
    assert_eq!(rows.numbers().len(), 90);
    let expected: Vec<_> = (1..=10).map(|n| ("rule".to_owned(), "script".to_owned(), n * 10)).collect();
    assert_eq!(letters(&bad), expected);
    let first: Value = serde_json::from_str(&bad.rows.lock().unwrap()[0]).unwrap();
    assert_eq!(first["id"], "test:feed:10/dead_letter/rule");
    assert_eq!(first["error"]["message"], "ten is too many");
    assert_eq!(first["pipeline"], "test");
    assert!(store.dead_letters().is_empty(), "what a sink holds is not kept in the state as well");
    assert_eq!(saved(&store).as_deref(), Some("100"));
}

#[tokio::test]
async fn a_row_that_a_transactional_sink_refuses_counts_as_open_until_its_letter_is_durable() {
    let (store, rows, bad) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    *rows.gate.lock().unwrap() = Some(Box::new(|events| {
        let at = events.iter().position(|event| event.meta().id == "test:feed:7");
        at.map_or(Verdict::Write, |at| Verdict::Reject(vec![(at, Error::permanent("seven is not taken"))]))
    }));
    let open = Arc::new(Mutex::new(false));
    let gate = Arc::clone(&open);
    *bad.gate.lock().unwrap() = Some(Box::new(move |_| {
        if *gate.lock().unwrap() { Verdict::Write } else { Verdict::Fail(Error::transient("not yet")) }
    }));
    let piped = Piped::new().source(Feed::new("feed", 50, 10)).sink("rows", &["feed"], &rows, true);
    let piped = piped.sink("bad", &[], &bad, false).letters("rows", "bad");
    let (running, drain) = piped.start(&store, false).await;
    until("the other rows", || rows.numbers().len() == 49).await;
    pause(50).await;
    assert_eq!(saved(&store), None, "the page of the seventh is open");
    let held = rows.positions.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(held.safe_cursor, None, "in the destination too");
    assert_eq!(held.ahead.len(), 49, "the refused one is not among what was committed");
    *open.lock().unwrap() = true;
    until("the cursor", || saved(&store).as_deref() == Some("50")).await;
    assert_eq!(letters(&bad), [("rows".to_owned(), "rejected".to_owned(), 7)]);
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
}

#[tokio::test]
async fn letters_of_a_plain_sink_reach_the_other_before_the_run_ends() {
    let (store, rows, bad) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    *rows.gate.lock().unwrap() = Some(Box::new(|events| {
        let guilty = events.iter().enumerate().filter(|(_, event)| event.meta().id.ends_with('3'));
        Verdict::Reject(guilty.map(|(at, _)| (at, Error::permanent("no threes"))).collect())
    }));
    let piped = Piped::new().source(Feed::new("feed", 100, 25)).sink("rows", &["feed"], &rows, false);
    let piped = piped.sink("bad", &[], &bad, false).letters("rows", "bad");
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!((rows.numbers().len(), letters(&bad).len()), (90, 10));
    assert_eq!(saved(&store).as_deref(), Some("100"));
}

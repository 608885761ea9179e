//! `opentrain_job_changes` against the emulated marketplace, with its cache and its faults.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Emulator, Options, start};
use sluicebox_testkit::{Driver, announced};

use crate::registry;

async fn emulator(events: u64) -> Emulator {
    start(Options { events, ..Options::new(Api::OpenTrain) }).await.unwrap()
}

async fn driver(emulator: &Emulator, more: &Value, haste: u32) -> Driver {
    let mut options = json!({ "base_url": announced(emulator)["url"], "rate": "unlimited", "interval": "1s", "max_body": "1MiB" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Driver::new(&registry(), "opentrain_job_changes", options, haste).await
}

/// Everything that a reader who comes now is told, as lines. Each question is one that no cache knows.
async fn told(emulator: &Emulator, question: u32) -> Vec<String> {
    let start = json!({ "start": { "cursor": format!("1999-01-01T00:00:{question:02}Z") } });
    let mut reader = driver(emulator, &start, 50).await;
    reader.until(1).await.unwrap();
    reader.lines
}

#[tokio::test]
async fn a_feed_that_grows_is_told_once_and_its_last_state_is_complete() {
    let emulator = emulator(200).await;
    let mut driver = driver(&emulator, &json!({}), 50).await;
    let mut events = 0;
    for round in 0..12 {
        let batch = driver.poll().await.unwrap();
        events += batch.events.len();
        assert_eq!(batch.caught_up, round < 99, "far from the most that is told at once");
        emulator.control().append(0, 100);
    }
    events += driver.poll().await.unwrap().events.len();
    assert_eq!(events, driver.lines.len(), "no change twice");
    let last = told(&emulator, 1).await;
    assert!(last.len() > 20, "{}", last.len());
    assert!(last.iter().all(|line| driver.lines.contains(line)));
    assert!(driver.lines.len() > last.len(), "what was overtaken has been seen on its way");
}

/// What passes by itself, and what never should come: every second answer.
const FAULTS: [&str; 20] = [
    "status=503",
    "cut=50",
    "reset",
    "malformed",
    "duplicate_page",
    "cursor_backwards",
    "stuck_cursor",
    "null_cursor",
    "empty_page",
    "poison",
    "nameless",
    "gzip",
    "wrong_types",
    "missing_keys",
    "html",
    "utf8",
    "rate_limited",
    "rate_limited=1",
    "oversized=2MiB",
    "bomb=3MiB",
];

#[tokio::test]
async fn nothing_is_lost_through_every_fault() {
    let emulator = emulator(500).await;
    let mut driver = driver(&emulator, &json!({ "interval": "2s" }), 50).await;
    for (number, fault) in FAULTS.iter().enumerate() {
        emulator.control().add_fault(format!("{fault}@{}", 2 * number + 2).parse().unwrap());
    }
    let struck = || emulator.control().stats().faults;
    while struck() < FAULTS.len() as u64 {
        driver.until(0).await.unwrap();
        emulator.control().append(0, 20);
    }
    driver.until(1).await.unwrap();
    assert!(driver.retries >= 10 && driver.rejects == 2, "{} {}", driver.retries, driver.rejects);
    for line in told(&emulator, 2).await {
        assert!(driver.lines.contains(&line), "{line}");
    }
}

#[tokio::test]
async fn start_now_takes_only_what_comes_afterwards() {
    let emulator = emulator(300).await;
    let before = told(&emulator, 3).await;
    let mut driver = driver(&emulator, &json!({ "start": "now" }), 50).await;
    driver.until(0).await.unwrap();
    driver.reopen().await;
    emulator.control().append(0, 300);
    driver.until(1).await.unwrap();
    assert!(driver.lines.iter().all(|line| !before.contains(line)));
    let after = told(&emulator, 4).await;
    assert!(after.iter().all(|line| before.contains(line) || driver.lines.contains(line)));
}

#[tokio::test]
async fn a_question_that_does_not_change_is_answered_by_the_cache() {
    let cached =
        Options { events: 100, edge_cache: Duration::from_millis(300), ..Options::new(Api::OpenTrain) };
    let emulator = start(cached).await.unwrap();
    let mut driver = driver(&emulator, &json!({}), 1000).await;
    driver.until(1).await.unwrap();
    let known = driver.lines.len();
    assert!(driver.poll().await.unwrap().is_empty(), "nothing new, so the question stays");
    emulator.control().append(0, 300);
    assert!(driver.poll().await.unwrap().is_empty(), "the cache does not know of it yet");
    tokio::time::sleep(Duration::from_millis(350)).await;
    driver.until(known + 1).await.unwrap();
    let last = told(&emulator, 5).await;
    assert!(last.iter().all(|line| driver.lines.contains(line)));
}

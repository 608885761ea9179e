//! kill -9 at random moments while dead letters are on their way, to a sink or back into the pipeline: each is there once.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

use std::time::Duration;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, wait_for};

const RUN: &str = "run --log-format json --admin off p.yaml";
const ONCE: &str = "run --once --log-format json --admin off p.yaml";
const BROKEN: &str = "if parse_int(event.id) % 3 == 0 { throw \"no threes\"; }\n";

/// Takes its time, so that a kill finds a replay under way.
const MENDED: &str = "let n = 0; while n < 100 { n += 1; }\nevent.mended = true;\n";

/// How often the program is killed.
fn kills() -> u64 {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

fn feed(events: u64, sinks: &str) -> Feed {
    let latency = Duration::from_millis(2);
    let feed = Feed::new(
        env!("CARGO_BIN_EXE_sluicebox"),
        Options { events, latency, ..Options::new(Api::OpenTrain) },
    );
    feed.pipeline("limit: 20", sinks);
    feed.write("rule.rhai", BROKEN);
    feed
}

/// The numbers of the events in a table, sorted.
fn numbers(feed: &Feed, file: &str, condition: &str) -> Vec<u64> {
    let id = "coalesce(json_extract(event, '$.event.id'), json_extract(event, '$.id'))";
    let rows = feed.rows(file, &format!("SELECT {id} FROM events WHERE {condition}"));
    let mut numbers: Vec<u64> = rows.iter().map(|id| id.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// The numbers of everything that was served; there are gaps between them.
fn truth(feed: &Feed) -> Vec<u64> {
    let id = |event: String| -> u64 {
        serde_json::from_str::<serde_json::Value>(&event).unwrap()["id"].as_str().unwrap().parse().unwrap()
    };
    feed.served.truth(0).into_iter().map(id).collect()
}

#[test]
fn a_sink_takes_every_letter_once_beside_events_of_its_own() {
    let feed = feed(
        2000,
        "transforms:\n  rule: { type: rhai, inputs: [feed], file: rule.rhai, dead_letter: both }\nsinks:\n  \
         rows: { type: sqlite, inputs: [rule], path: rows.db, table: events, batch: { max_events: 50 } }\n  \
         both: { type: sqlite, inputs: [feed], path: both.db, table: events, batch: { max_events: 30 } }\n  \
         slower: { type: blackhole, inputs: [feed], delay: 5ms, batch: { max_events: 20 } }\n",
    );
    for round in 0..kills() {
        feed.kill_in_flight(RUN, round);
        feed.served.append(0, 1000);
    }
    feed.run(ONCE).expect(0);
    let all = truth(&feed);
    let (threes, others): (Vec<u64>, Vec<u64>) = all.iter().partition(|id| *id % 3 == 0);
    let is_letter =
        "json_extract(event, '$.reason') IS NOT NULL AND json_extract(event, '$.component') = 'rule'";
    assert!(numbers(&feed, "rows.db", "1") == others, "what the rule passes");
    assert!(numbers(&feed, "both.db", &format!("NOT ({is_letter})")) == all, "every event");
    assert!(numbers(&feed, "both.db", is_letter) == threes, "a letter for each that the rule does not pass");
}

#[test]
fn a_replay_that_is_killed_again_and_again_brings_every_letter_back_once() {
    let feed = feed(
        6000,
        "transforms:\n  rule: { type: rhai, inputs: [feed], file: rule.rhai }\nsinks:\n  \
         rows: { type: sqlite, inputs: [rule], path: rows.db, table: events, batch: { max_events: 50 } }\n  \
         slower: { type: blackhole, inputs: [rule], delay: 40ms, batch: { max_events: 10 } }\n",
    );
    feed.run(ONCE).expect(0);
    let threes = truth(&feed).into_iter().filter(|id| id % 3 == 0).count();
    assert_eq!(feed.dead_letters().len(), threes);
    feed.write("rule.rhai", MENDED);
    feed.run("dlq replay").expect(0);
    let mut seen = Vec::new();
    for round in 0..kills().min(8) {
        let before = numbers(&feed, "rows.db", "1").len();
        let process = feed.start(RUN);
        wait_for("more rows", || (numbers(&feed, "rows.db", "1").len() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(round * 37 % 60));
        process.kill();
        process.finish();
        seen.push((numbers(&feed, "rows.db", "1").len(), feed.dead_letters().len()));
    }
    println!("rows and letters after each kill: {seen:?}");
    feed.run(ONCE).expect(0);
    assert!(numbers(&feed, "rows.db", "1") == truth(&feed), "every event once");
    assert!(feed.dead_letters().is_empty());
}

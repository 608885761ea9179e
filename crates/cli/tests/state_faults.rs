//! The state and the destinations under attack: full disks, torn and flipped files, two processes, places that cannot be
//! written. A pipeline waits or refuses, and never starts afresh by itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::fs;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, said, wait_for};

fn feed(events: u64) -> Feed {
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events, ..Options::new(Api::OpenTrain) })
}

const STATE: &str = ".sluicebox/p/state.db";

/// A full disk, as the system tells of it: a write beyond the limit fails, and the signal that comes with it kills nobody.
#[test]
fn a_full_disk_is_waited_for_and_loses_nothing() {
    let feed = feed(30);
    feed.pipeline(
        "limit: 10",
        "sinks:\n  rows: { type: sqlite, inputs: [feed], path: rows.db, table: events }\n  \
         file: { type: file, inputs: [feed], path: out.jsonl }\n  \
         exact: { type: file, inputs: [feed], path: exact.jsonl, delivery: exactly_once }\n",
    );
    let mut process = feed.begin();
    wait_for("the first rows", || (feed.rows_of(0).len() == 30).then_some(()));
    wait_for("the first lines", || (feed.read("exact.jsonl").lines().count() == 30).then_some(()));
    // Not a byte more, in any file.
    process.limit_file_size(Some(1));
    feed.served.append(0, 40);
    process.wait_for_log("cannot write to the file out.jsonl: File too large");
    process.wait_for_log("\"rows\",\"account\":null,\"event\":\"retry\"");
    assert_eq!(feed.served.truth(0).len(), 70);
    assert_eq!((feed.rows_of(0).len(), feed.read("out.jsonl").lines().count()), (30, 30), "the disk is full");
    process.limit_file_size(None);
    wait_for("the later rows", || (feed.rows_of(0).len() == 70).then_some(()));
    wait_for("the later lines", || (feed.read("out.jsonl").lines().count() == 70).then_some(()));
    wait_for("the later lines", || (feed.read("exact.jsonl").lines().count() == 70).then_some(()));
    process.terminate();
    let ended = process.finish().expect(0);
    feed.assert_whole(0, &ended.stderr);
    let whole = feed.served.truth_text(0);
    assert!(feed.read("out.jsonl") == whole && feed.read("exact.jsonl") == whole, "each line once and whole");
}

/// Only the state's disk is full: the checkpoint waits, and goes on.
#[test]
fn a_full_disk_below_the_state_is_waited_for() {
    let feed = feed(30);
    feed.pipeline("limit: 10", "sinks:\n  none: { type: blackhole, inputs: [feed] }\n");
    let mut process = feed.begin();
    let last = || feed.cursor(0)["cursor"].as_str().map(str::to_owned);
    let newest = || {
        serde_json::from_str::<serde_json::Value>(feed.served.truth(0).last().unwrap()).unwrap()["id"]
            .as_str()
            .map(str::to_owned)
    };
    wait_for("the first checkpoint", || (last() == newest()).then_some(()));
    let before = last();
    process.limit_file_size(Some(1));
    feed.served.append(0, 40);
    process.wait_for_log("the checkpoint could not be written, trying again");
    assert_eq!(last(), before, "the saved cursor is never ahead of what is saved");
    process.limit_file_size(None);
    wait_for("the later checkpoint", || (last() == newest()).then_some(()));
    process.terminate();
    process.finish().expect(0);
}

/// What is done to a state, and whether reading can notice it.
type Damage = (&'static str, fn(&Feed));

const DAMAGES: [Damage; 6] = [
    ("emptied", |feed| fs::write(feed.path(STATE), b"").unwrap()),
    ("torn in the middle", |feed| {
        let bytes = fs::read(feed.path(STATE)).unwrap();
        fs::write(feed.path(STATE), &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("torn at the end", |feed| {
        let bytes = fs::read(feed.path(STATE)).unwrap();
        fs::write(feed.path(STATE), &bytes[..bytes.len() - 5000]).unwrap();
    }),
    ("another file", |feed| {
        fs::write(feed.path(STATE), "not a database, but long enough to be one".repeat(400)).unwrap();
    }),
    ("removed", |feed| fs::remove_file(feed.path(STATE)).unwrap()),
    ("flipped", |feed| flip(feed)),
];

/// Flips one bit of the saved cursor.
fn flip(feed: &Feed) {
    let mut bytes = fs::read(feed.path(STATE)).unwrap();
    let cursor = feed.cursor(0)["cursor"].as_str().unwrap().to_owned().into_bytes();
    let found: Vec<usize> =
        (0..bytes.len() - cursor.len()).filter(|at| bytes[*at..].starts_with(&cursor)).collect();
    assert!(!found.is_empty(), "the cursor is in the state");
    for at in found {
        bytes[at + cursor.len() - 1] ^= 1;
    }
    fs::write(feed.path(STATE), bytes).unwrap();
}

#[test]
fn a_state_that_cannot_be_trusted_is_refused_and_left_as_it_is() {
    for (damage, inflict) in DAMAGES {
        let feed = feed(30);
        feed.once().expect(0);
        assert!(!feed.path(".sluicebox/p/state.db-wal").exists(), "a state at rest is one file");
        inflict(&feed);
        let before = fs::read(feed.path(STATE)).ok();
        let polls = feed.served.polls(0).len();
        for _ in 0..2 {
            let ended = feed.run("run --once --admin off p.yaml");
            assert_eq!(ended.code, 78, "{damage}: {}", ended.stderr);
            assert!(ended.stderr.contains("state.db"), "{damage}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("put a backup of") && ended.stderr.contains("move that folder away"),
                "{damage}: {}",
                ended.stderr
            );
        }
        assert_eq!(fs::read(feed.path(STATE)).ok(), before, "{damage}: nothing is put in its place");
        assert_eq!(feed.served.polls(0).len(), polls, "{damage}: nothing was polled");
        assert_eq!(feed.rows_of(0).len(), 30, "{damage}");
    }
}

#[test]
fn two_processes_on_one_state_are_refused_but_may_be_watched() {
    let feed = feed(30);
    feed.pipeline(
        "",
        "transforms:\n  only: { type: rhai, inputs: [feed], source: 'dead_letter(\"no\")' }\n\
         sinks:\n  rows: { type: sqlite, inputs: [only], path: rows.db, table: events }\n",
    );
    let process = feed.begin();
    wait_for("a checkpoint", || feed.cursor(0)["cursor"].as_str().map(drop));
    let second = feed.run("run --once --admin off p.yaml").expect(75);
    let holder = format!("another instance (process {}) holds the lock", process.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    let moved = feed.run("cursor set p feed/a0 1 --yes").expect(75);
    assert!(moved.stderr.contains(&holder), "{}", moved.stderr);
    feed.run("cursor reset p feed/a0 --yes").expect(75);
    assert_eq!(feed.dead_letters().len(), 30, "dead letters are readable beside it");
    process.terminate();
    process.finish().expect(0);
    feed.run("run --once --admin off p.yaml").expect(0);
}

/// A file where a folder should be stops even a root user.
#[test]
fn places_that_cannot_be_written_are_named() {
    let feed = feed(30);
    feed.write("blocked", "");
    let ended = feed.run("run --once --admin off --state-dir blocked/state p.yaml").expect(78);
    assert!(ended.stderr.contains("blocked/state"), "{}", ended.stderr);
    assert!(ended.stderr.contains("choose another --state-dir"), "{}", ended.stderr);
    feed.run("run --once --admin off --state-dir / p.yaml").expect(2);
    let sinks = [
        ("type: sqlite, table: events, path: blocked/rows.db", 78),
        ("type: file, path: blocked/out.jsonl", 1),
        ("type: file, path: blocked/out.jsonl, delivery: exactly_once", 78),
    ];
    for (options, code) in sinks {
        feed.pipeline("", &format!("sinks:\n  rows: {{ inputs: [feed], {options} }}\n"));
        let ended = feed.run("run --once --admin off p.yaml").expect(code);
        assert!(
            ended.stderr.contains("blocked/") && ended.stderr.contains("component rows"),
            "{}",
            ended.stderr
        );
        assert!(feed.cursors().iter().all(|row| row["cursor"].is_null()), "nothing is acknowledged");
    }
    assert_eq!(feed.read("blocked"), "", "what stood there is left alone");
}

/// A warehouse that somebody else has locked holds up its own sink, and nothing is lost.
#[test]
fn a_locked_warehouse_is_waited_for() {
    let feed = feed(30);
    feed.pipeline(
        "limit: 10",
        "sinks:\n  rows: { type: sqlite, inputs: [feed], path: rows.db, table: events }\n  \
         file: { type: file, inputs: [feed], path: out.jsonl }\n",
    );
    let mut process = feed.begin();
    wait_for("the first rows", || (feed.rows_of(0).len() == 30).then_some(()));
    let other = rusqlite::Connection::open(feed.path("rows.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    feed.served.append(0, 20);
    wait_for("the other sink goes on", || (feed.read("out.jsonl").lines().count() == 50).then_some(()));
    process.wait_for_log("\"rows\",\"account\":null,\"event\":\"retry\"");
    assert_eq!(feed.rows_of(0).len(), 30);
    other.execute_batch("ROLLBACK").unwrap();
    wait_for("the later rows", || (feed.rows_of(0).len() == 50).then_some(()));
    process.terminate();
    let ended = process.finish().expect(0);
    feed.assert_whole(0, &ended.stderr);
    assert!(said(&ended.log(), 0, "paused").is_empty());
}

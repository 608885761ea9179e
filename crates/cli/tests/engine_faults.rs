//! The engine under pressure: slow and dead sinks, signals, sudden death, many accounts of which some fail. What is held
//! stays bounded, a drain ends in time, and a restart loses nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::time::{Duration, Instant};

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Process, get, wait_for};

/// What one partition may have between poll and sink: 32 pages of 200 events, one that is being polled and one that
/// waits for the worker.
const CAP: u64 = 34 * 200;

/// A feed with two sinks, of which one takes `DELAY` for every hundred events.
fn with_slow_sink(events: u64, delay: &str) -> Feed {
    let mut feed =
        Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events, ..Options::new(Api::OpenTrain) });
    feed.set("DELAY", delay);
    feed.pipeline(
        "limit: 200",
        "sinks:\n  rows: { type: sqlite, inputs: [feed], path: rows.db, table: events }\n  \
         slow: { type: blackhole, inputs: [feed], delay: \"${DELAY}\", batch: { max_events: 100 } }\n",
    );
    feed
}

fn pipelines(admin: &str) -> Value {
    get(&format!("{admin}/api/v1/pipelines")).expect("the admin server answers").json()
}

fn sent(admin: &str, component: &str) -> u64 {
    let shown = pipelines(admin);
    let components = shown[0]["components"].as_array().unwrap();
    components.iter().find(|it| it["name"] == component).and_then(|it| it["sent"].as_u64()).unwrap()
}

/// Every row is one of the feed, in order and once, and the cursor stands at the last one.
fn assert_cursor_is_at_the_last_row(feed: &Feed) {
    let (rows, truth) = (feed.rows_of(0), feed.served.truth(0));
    assert!(!rows.is_empty() && rows == truth[..rows.len()], "{} rows", rows.len());
    let last: Value = serde_json::from_str(rows.last().unwrap()).unwrap();
    assert_eq!(feed.cursor(0)["cursor"], last["id"]);
}

#[test]
fn a_slow_sink_stops_the_polling_and_sigterm_drains_in_time() {
    let mut feed = with_slow_sink(20_000, "50ms");
    let mut process = feed.begin();
    let admin = process.admin();
    wait_for("three batches of the slow sink, and a full pipeline", || {
        let full = feed.served.stats().events_served >= CAP - 800;
        (full && sent(&admin, "slow") >= 300).then_some(())
    });
    let (served, delivered) = (feed.served.stats().events_served, sent(&admin, "slow"));
    assert!(served <= delivered + CAP + 400, "{served} events were polled while {delivered} were delivered");
    let asked = Instant::now();
    process.terminate();
    let ended = process.finish().expect(0);
    assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
    assert!(ended.stderr.contains("\"drained\""), "{}", ended.stderr);
    assert_cursor_is_at_the_last_row(&feed);
    feed.set("DELAY", "0s");
    let ended = feed.once().expect(0);
    feed.assert_whole(0, &ended.stderr);
}

#[test]
fn a_dead_sink_does_not_hold_up_a_second_signal() {
    let mut feed = with_slow_sink(3000, "1h");
    let mut process = feed.begin();
    wait_for("rows in the other sink", || (feed.rows_of(0).len() >= 200).then_some(()));
    process.terminate();
    process.wait_for_log("draining");
    let asked = Instant::now();
    process.interrupt();
    let ended = process.finish().expect(1);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
    feed.set("DELAY", "0s");
    let ended = feed.once().expect(0);
    feed.assert_whole(0, &ended.stderr);
}

#[test]
fn a_drain_that_a_dead_sink_blocks_is_given_up_after_25_s() {
    let mut feed = with_slow_sink(1000, "1h");
    let process = feed.begin();
    wait_for("rows in the other sink", || (feed.rows_of(0).len() >= 200).then_some(()));
    let asked = Instant::now();
    process.terminate();
    let ended = process.finish().expect(1);
    assert!((20..35).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    assert!(ended.stderr.contains("the drain took too long"), "{}", ended.stderr);
    assert!(feed.cursor(0)["cursor"].is_null(), "nothing is acknowledged before the slowest sink has it");
    feed.set("DELAY", "0s");
    let ended = feed.once().expect(0);
    feed.assert_whole(0, &ended.stderr);
}

#[test]
fn sudden_death_and_a_restart_lose_and_double_nothing() {
    let mut feed = with_slow_sink(6000, "10ms");
    for wanted in [200, 1500, 3000] {
        let process = feed.begin();
        wait_for("rows", || (feed.rows_of(0).len() >= wanted).then_some(()));
        process.kill();
        assert_eq!(process.finish().code, -1);
    }
    feed.set("DELAY", "0s");
    let ended = feed.once().expect(0);
    feed.assert_whole(0, &ended.stderr);
}

#[test]
fn of_two_hundred_accounts_a_few_fail_alone() {
    const ACCOUNTS: u32 = 200;
    let options = Options { events: 30, accounts: ACCOUNTS, ..Options::new(Api::OpenTrain) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    feed.pipeline("limit: 10", "");
    let failing = |account: u32| account % 40 == 7;
    for account in (0..ACCOUNTS).filter(|account| failing(*account)) {
        feed.served.fault(&format!("account:{account}:status=401@2"));
        feed.served.fault(&format!("account:{}:status=503@2", account + 1));
    }
    let ended = feed.once().expect(1);
    let cursors = feed.cursors();
    assert_eq!(cursors.len(), 200);
    for account in 0..ACCOUNTS {
        let paused = &cursors.iter().find(|row| row["account"] == format!("a{account}")).unwrap()["paused"];
        if failing(account) {
            assert_eq!((paused.as_str(), feed.rows_of(account).len()), (Some("auth"), 10), "{account}");
        } else {
            assert!(paused.is_null(), "{account}: {paused}");
            feed.assert_whole(account, &ended.stderr);
        }
    }
    assert!(ended.stderr.contains("feed/a7"), "the end names those that are paused");
    feed.once().expect(0);
    (0..ACCOUNTS).filter(|account| failing(*account)).for_each(|account| feed.assert_whole(account, ""));
}

/// What an admin server says of readiness.
fn ready(admin: &str) -> (u16, Value) {
    let answer = get(&format!("{admin}/health/ready")).expect("the admin server answers");
    (answer.status, answer.json())
}

#[test]
fn the_admin_server_names_what_is_paused() {
    let feed = Feed::new(
        env!("CARGO_BIN_EXE_sluicebox"),
        Options { events: 30, accounts: 2, ..Options::new(Api::OpenTrain) },
    );
    let mut process = feed.begin();
    let admin = process.admin();
    wait_for("readiness", || (ready(&admin).0 == 200).then_some(()));
    wait_for("all rows", || (feed.rows_of(0).len() + feed.rows_of(1).len() == 60).then_some(()));
    feed.served.revoke(1);
    let said = wait_for("the pause", || Some(ready(&admin)).filter(|(status, _)| *status == 503)).1;
    let obstacle = &said["obstacles"][0];
    assert_eq!((&obstacle["component"], &obstacle["account"]), (&Value::from("feed"), &Value::from("a1")));
    assert_eq!(obstacle["reason"], "auth");
    assert!(
        obstacle["message"].as_str().unwrap().contains("OpenTrain refused the token (status 401"),
        "{said}"
    );
    let shown = pipelines(&admin);
    let paused: Vec<_> =
        shown[0]["partitions"].as_array().unwrap().iter().map(|it| it["paused"]["reason"].as_str()).collect();
    assert_eq!((shown[0]["state"].as_str(), paused), (Some("paused"), vec![None, Some("auth")]));
    let metrics = get(&format!("{admin}/metrics")).unwrap().body;
    let gauge =
        metrics.lines().find(|line| line.starts_with("sluicebox_source_paused{") && line.contains("a1"));
    assert!(gauge.is_some_and(|line| line.contains("reason=\"auth\"") && line.ends_with(" 1")), "{gauge:?}");
    assert_eq!(get(&format!("{admin}/health/live")).unwrap().status, 200, "paused is not dead");
    feed.served.append(0, 5);
    wait_for("the other account goes on", || (feed.rows_of(0).len() == 35).then_some(()));
    stop(process);
}

fn stop(process: Process) {
    process.terminate();
    process.finish().expect(0);
}

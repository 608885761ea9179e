//! The public job board with the real binary: over TCP at the emulated marketplace, into SQLite, through kills.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Sandbox, Served, request, wait_for};

fn board() -> (Served, Sandbox) {
    let options = Options { events: 300, edge_cache: Duration::ZERO, ..Options::new(Api::OpenTrain) };
    let (served, sandbox) = (Served::new(options), Sandbox::new(env!("CARGO_BIN_EXE_sluicebox")));
    let url = served.url();
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  jobs: {{ type: opentrain_job_changes, base_url: \"{url}\", interval: 1s, rate: unlimited }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [jobs], path: rows.db, table: changes, columns: \
             {{ id: meta.id, job: event.jobId, type: meta.type, at: event.occurredAt }} }}\n"
        ),
    );
    (served, sandbox)
}

/// The changes that a reader who comes now is told, as their ids.
fn told(served: &Served) -> BTreeSet<String> {
    let url = format!("{}/jobs/changes?since=1999-01-01T00:00:00Z", served.url());
    let answer = request("GET", &url, &[], "").unwrap().json();
    let id = |change: &Value| {
        let text = |name: &str| change[name].as_str().unwrap().to_owned();
        format!("opentrain:jobs:job:{}:{}:{}", text("jobId"), text("eventType"), text("occurredAt"))
    };
    answer["changes"].as_array().unwrap().iter().map(id).collect()
}

#[test]
fn changes_reach_a_table_through_kills_and_a_restart_goes_on() {
    let (served, sandbox) = board();
    let checked = sandbox.run("check --format json p.yaml").expect(0);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked["routes"][0]["guarantee"], "at_least_once");
    let why = checked["routes"][0]["why"].as_str().unwrap();
    assert!(why.contains("reads by a field of its records, with an overlap"), "{why}");
    let mut seen = told(&served);
    sandbox.run("run --once --admin off p.yaml").expect(0);
    let ids = || sandbox.rows("rows.db", "SELECT id FROM changes ORDER BY rowid");
    assert_eq!(ids().into_iter().collect::<BTreeSet<_>>(), seen);
    for round in 0..3 {
        let known = ids().len();
        served.append(0, 100);
        seen.extend(told(&served));
        let process = sandbox.start("run --admin off p.yaml");
        wait_for("a change more", || (ids().len() > known).then_some(()));
        std::thread::sleep(Duration::from_millis(round * 40));
        process.kill();
        process.finish();
    }
    sandbox.run("run --once --admin off p.yaml").expect(0);
    assert_eq!(ids().into_iter().collect::<BTreeSet<_>>(), seen);
    assert_eq!(ids().len(), seen.len(), "the ids of the last events are known, so not even one came twice");
    let newest = sandbox.rows("rows.db", "SELECT max(at) FROM changes").remove(0);
    let cursor = sandbox.cursors()[0]["cursor"].as_str().unwrap().to_owned();
    assert!(cursor.as_str() >= newest.as_str() && cursor.starts_with("2025-"), "{cursor} {newest}");
}

#[test]
fn connect_asks_the_endpoint() {
    let (served, sandbox) = board();
    sandbox.run("check --connect p.yaml").expect(0);
    served.add_fault("status=404".parse().unwrap());
    let refused = sandbox.run("check --connect p.yaml").expect(1);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("job changes"), "{}", refused.stdout);
}

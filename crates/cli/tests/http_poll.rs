//! `http_poll` in the real program: killed at random moments, nothing is lost and nothing doubled in SQLite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluicebox_emulator::{Api, Options, start};

const EVENTS: u64 = 4000;

fn pipeline(url: &str) -> String {
    format!(
        r#"
sources:
  feed:
    type: http_poll
    base_url: "{url}"
    auth: {{ bearer: "${{TOKEN}}" }}
    request:
      path: /updates
      query: {{ cursor: "{{{{ cursor }}}}", limit: "{{{{ limit }}}}" }}
    limit: 20
    items: events
    cursor: {{ next: {{ body: nextCursor }} }}
    more: {{ field: hasMore }}
    event: {{ id: id, type: type, time: createdAt }}
    rate: unlimited
    interval: 1s
sinks:
  warehouse: {{ type: sqlite, inputs: [feed], path: warehouse.db, table: events, batch: {{ max_events: 50 }} }}
"#
    )
}

fn run(folder: &Path, token: &str, once: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    command.args(["run", "--admin", "off", "-q", "poll.yaml"]).current_dir(folder).env("TOKEN", token);
    if once {
        command.arg("--once");
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    command.stdin(Stdio::null()).stderr(log).spawn().unwrap()
}

fn rows(folder: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("warehouse.db")).unwrap();
    let mut statement = connection.prepare("SELECT event FROM events ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_and_double_nothing() {
    let options =
        Options { events: EVENTS, latency: Duration::from_millis(2), ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    let announcement = serde_json::to_value(emulator.announcement()).unwrap();
    let token = announcement["token"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("poll.yaml"), pipeline(announcement["url"].as_str().unwrap())).unwrap();
    let control = emulator.control();
    for kill in 1..=4_u64 {
        let mut child = run(folder.path(), token, false);
        let served = control.stats().events_served;
        while control.stats().events_served < served + 100 * kill {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(run(folder.path(), token, true).wait().unwrap().success());
    let truth = String::from_utf8(control.events(0).to_vec()).unwrap();
    assert_eq!(rows(folder.path()), truth.lines().collect::<Vec<_>>());
}

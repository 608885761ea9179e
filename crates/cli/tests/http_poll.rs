//! `http_poll` and a connector in the real program: killed in the middle of their work, nothing is lost and nothing
//! doubled in SQLite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
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

/// A declared connector of a bot that forgets what was read.
fn bot(url: &str) -> String {
    format!(
        r#"
sources:
  feed:
    type: zenzap_feed
    base_url: "{url}"
    api_key: "${{KEY}}"
    api_secret: "${{SECRET}}"
    limit: 20
    timeout: 1s
    rate: unlimited
    interval: 1s
sinks:
  warehouse: {{ type: sqlite, inputs: [feed], path: warehouse.db, table: events, batch: {{ max_events: 50 }} }}
"#
    )
}

/// The credentials that an emulator announces, as variables.
fn variables(announcement: &Value) -> Vec<(&'static str, String)> {
    let names = [("TOKEN", "token"), ("KEY", "key"), ("SECRET", "secret")];
    let given =
        names.into_iter().filter_map(|(variable, name)| Some((variable, announcement[name].as_str()?)));
    given.map(|(variable, value)| (variable, value.to_owned())).collect()
}

fn run(folder: &Path, variables: &[(&'static str, String)], once: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    command.args(["run", "--admin", "off", "-q", "poll.yaml"]).current_dir(folder);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
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

/// Kills a pipeline four times in the middle of its work, lets it end, and compares what it wrote with what was served.
async fn killed(api: Api, pipeline: fn(&str) -> String) {
    let options = Options { events: EVENTS, latency: Duration::from_millis(2), ..Options::new(api) };
    let emulator = start(options).await.unwrap();
    let announcement = serde_json::to_value(emulator.announcement()).unwrap();
    let variables = variables(&announcement);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("poll.yaml"), pipeline(announcement["url"].as_str().unwrap())).unwrap();
    let control = emulator.control();
    for kill in 1..=4_u64 {
        let mut child = run(folder.path(), &variables, false);
        let served = control.stats().events_served;
        while control.stats().events_served < served + 100 * kill {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(run(folder.path(), &variables, true).wait().unwrap().success());
    let truth = String::from_utf8(control.events(0).to_vec()).unwrap();
    assert_eq!(rows(folder.path()), truth.lines().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_retained_feed_lose_nothing_and_double_nothing() {
    killed(Api::OpenTrain, pipeline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_a_connector_that_confirms_on_read_lose_nothing_and_double_nothing() {
    killed(Api::Zenzap, bot).await;
}

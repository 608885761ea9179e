//! The history of a Slack channel in the real program: pages, the newest first, of a channel that is written to while it
//! is read; killed in the middle of sweeps, refused pages, errors in a 200. Nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_testkit::{Reply, Stub};

/// How many messages the channel has in the end.
const MESSAGES: usize = 1500;
/// Messages a page, as Slack gives apps from outside the Marketplace.
const PAGE: usize = 15;

/// A channel that grows with every page that is asked for.
#[derive(Default)]
struct Channel {
    /// The `ts` of every message, oldest first.
    messages: Vec<String>,
    requests: usize,
    /// Requests for a page that is not the first.
    pages: usize,
    /// How many of them were refused.
    refused: usize,
    is_closed: bool,
}

impl Channel {
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.messages.len();
            self.messages.push(format!("{}.{:06}", 1_512_085_950 + number / 7, number % 7 * 31 + 1));
        }
    }

    fn answer(&mut self, target: &str) -> Value {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        assert_eq!(value("channel"), Some("C1"));
        self.requests += 1;
        self.pages += usize::from(value("cursor").is_some());
        if self.pages % 45 == 44 && value("cursor").is_some() {
            self.refused += 1;
            return json!({ "ok": false, "error": "invalid_cursor" });
        }
        if self.requests.is_multiple_of(53) {
            return json!({ "ok": false, "error": "internal_error" });
        }
        let oldest = value("oldest").unwrap_or("0").to_owned();
        let before = value("cursor").map(|cursor| cursor.replace("before_", ""));
        // As many digits before and after the point: their order is that of the text.
        let is_asked = |ts: &&String| **ts > oldest && before.as_ref().is_none_or(|before| *ts < before);
        let listed: Vec<&String> = self.messages.iter().filter(is_asked).rev().collect();
        let page: Vec<Value> = listed
            .iter()
            .take(PAGE)
            .map(|ts| json!({ "type": "message", "user": "U1", "text": "hello", "ts": ts }))
            .collect();
        let has_more = listed.len() > PAGE;
        let next = if has_more { format!("before_{}", listed[PAGE - 1]) } else { String::new() };
        if !self.is_closed && self.messages.len() < MESSAGES {
            self.write(11);
        }
        json!({
            "ok": true, "messages": page, "has_more": has_more, "pin_count": 0,
            "response_metadata": { "next_cursor": next }
        })
    }
}

fn pipeline(url: &str) -> String {
    format!(
        r#"
sources:
  channel: {{ type: slack_history, base_url: "{url}/api", token: "${{TOKEN}}", channel: C1, limit: 15, rate: unlimited, interval: 1s }}
sinks:
  warehouse: {{ type: sqlite, inputs: [channel], path: warehouse.db, table: messages, batch: {{ max_events: 20 }} }}
"#
    )
}

fn run(folder: &Path, once: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    command.args(["run", "--admin", "off", "-q", "slack.yaml"]).current_dir(folder);
    command.env("TOKEN", "xoxb-planted-token");
    if once {
        command.arg("--once");
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    command.stdin(Stdio::null()).stderr(log).spawn().unwrap()
}

/// The ids of the rows, in their order.
fn rows(folder: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("warehouse.db")).unwrap();
    let mut statement = connection.prepare("SELECT _event_id FROM messages ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn kills_in_the_middle_of_sweeps_and_refused_pages_lose_nothing() {
    let mut channel = Channel::default();
    channel.write(400);
    let channel = Arc::new(Mutex::new(channel));
    let served = Arc::clone(&channel);
    let stub = Stub::new(move |target| {
        std::thread::sleep(Duration::from_millis(2));
        Reply::Json(200, served.lock().unwrap().answer(target).to_string())
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("slack.yaml"), pipeline(&stub.url())).unwrap();
    for kill in 1..=5 {
        let mut child = run(folder.path(), false);
        let before = stub.requests().len();
        // Within the first pages of a sweep, and at its end.
        while stub.requests().len() < before + 3 + 4 * kill {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(run(folder.path(), true).wait().unwrap().success());
    channel.lock().unwrap().is_closed = true;
    assert!(run(folder.path(), true).wait().unwrap().success());
    let expected: BTreeSet<String> =
        channel.lock().unwrap().messages.iter().map(|ts| format!("slack_history:channel:C1/{ts}")).collect();
    let rows = rows(folder.path());
    let found: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(found, expected, "{} requests", stub.requests().len());
    assert!(stub.requests().iter().any(|target| target.contains("oldest=") && target.contains("cursor=")));
    // What comes again is what a sweep had read when a page was refused, and of that what was read before a kill.
    let doubled = rows.len() - found.len();
    assert!(doubled <= channel.lock().unwrap().refused * 44 * PAGE, "{doubled} came again");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("no longer available") && !log.contains("planted"), "{log}");
}

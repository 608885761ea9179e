//! The ready-made pipelines at work: each runs unchanged against an emulator over TCP, and what it leaves behind is
//! compared with the feed itself; a short run must leave exactly what lies in its `expected/` folder.
//!
//! `SLUICEBOX_BLESS=1` writes `sample/` and `expected/` anew instead of comparing.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;
use serde_json::{Map, Value, json};
use sluicebox_emulator::{Api, Emulator, Options, start};

/// Events of the run that lies beside each pipeline: one page of either API.
const SAMPLE: u64 = 40;

/// An emulator, and a folder in which a pipeline of the repository runs against it.
struct Scene {
    pipeline: PathBuf,
    emulator: Emulator,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new(pipeline: &str, api: Api, events: u64) -> Self {
        let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines").join(pipeline);
        let emulator = start(Options { events, ..Options::new(api) }).await.unwrap();
        Self { pipeline, emulator, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs the pipeline until it is caught up.
    async fn run(&self) {
        let announcement = serde_json::to_value(self.emulator.announcement()).unwrap();
        let api = announcement["api"].as_str().unwrap().to_uppercase();
        let credentials = ["url", "token", "key", "secret"].into_iter().filter_map(|field| {
            Some((format!("{api}_{}", field.to_uppercase()), announcement[field].as_str()?))
        });
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_sluicebox"))
            .args(["run", "--once", "--admin", "off"])
            .arg(self.pipeline.join("pipeline.yaml"))
            .current_dir(self.folder.path())
            .envs(credentials)
            .envs([("OPENTRAIN_RATE", "unlimited"), ("ZENZAP_TIMEOUT", "1s")])
            .env_remove("DATA_DIR")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What the feed served, one line an event.
    fn truth(&self) -> String {
        String::from_utf8(self.emulator.control().events(0).to_vec()).unwrap()
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Rows of the warehouse in the order of their arrival.
    fn rows(&self) -> Vec<Map<String, Value>> {
        let connection = Connection::open(self.data("warehouse.db")).unwrap();
        let mut query = connection.prepare("SELECT * FROM marketplace_events ORDER BY rowid").unwrap();
        let names: Vec<String> = query.column_names().map(str::to_owned).collect();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = names.iter().enumerate().map(|(at, name)| {
                let cell = match row.get(at)? {
                    rusqlite::types::Value::Null => Value::Null,
                    rusqlite::types::Value::Integer(number) => number.into(),
                    rusqlite::types::Value::Real(number) => number.into(),
                    rusqlite::types::Value::Text(text) => text.into(),
                    rusqlite::types::Value::Blob(_) => unreachable!("no column holds bytes"),
                };
                Ok((name.clone(), cell))
            });
            cells.collect::<rusqlite::Result<Map<String, Value>>>()
        };
        query.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    /// Compares a text with a file beside the pipeline.
    fn assert_lies_beside(&self, name: &str, text: &str) {
        let path = self.pipeline.join(name);
        if std::env::var_os("SLUICEBOX_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs from what the pipeline wrote:\n{text}", path.display());
    }
}

fn events(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_money(event: &Value) -> bool {
    let event_type = event["type"].as_str().unwrap_or_default();
    matches!(event_type, "contract.created" | "contract.budget_state_changed")
        || ["milestone.", "payment."].iter().any(|prefix| event_type.starts_with(prefix))
}

/// What `rules/judge.rhai` is meant to say, told independently.
fn judged(event: &Value) -> (Value, Value) {
    let contract = &event["contract"];
    let milestones = contract["milestones"].as_array().cloned().unwrap_or_default();
    let milestone = milestones.iter().find(|milestone| milestone["id"] == event["data"]["milestoneId"]);
    let is_new = event["type"] == "contract.created";
    let amount = match milestone {
        _ if is_new => contract["estimatedTotalUsd"].as_f64(),
        milestone => milestone.and_then(|milestone| milestone["amountUsd"].as_f64()),
    };
    let attention = if event["data"]["state"] == "DEPLETED" {
        json!("the budget is used up")
    } else if is_new && contract["rateUsd"].as_f64() > Some(500.0) {
        json!("an expensive contract")
    } else if event["type"] == "payment.pending" && amount > Some(2000.0) {
        json!("a large payment waits")
    } else {
        Value::Null
    };
    (json!(amount), attention)
}

fn assert_warehouse_holds(rows: &[Map<String, Value>], truth: &str) {
    let wanted: Vec<Value> = events(truth).into_iter().filter(is_money).collect();
    let ids = |id: &Value| format!("opentrain:marketplace:{}", id.as_str().unwrap());
    let wanted_ids: Vec<String> = wanted.iter().map(|event| ids(&event["id"])).collect();
    let row_ids: Vec<&str> = rows.iter().map(|row| row["event_id"].as_str().unwrap()).collect();
    assert_eq!(row_ids, wanted_ids, "each event of the filter once, in the order of the feed");
    for (row, upstream) in rows.iter().zip(&wanted) {
        let event: Value = serde_json::from_str(row["event"].as_str().unwrap()).unwrap();
        assert_eq!(row["looked_up"], "ok", "{row:?}");
        assert_eq!(event["contract"]["id"], upstream["data"]["contractId"], "enriched by its own contract");
        assert_eq!(row["contract_title"], event["contract"]["title"]);
        assert_eq!(row["rate_usd"].as_f64(), event["contract"]["rateUsd"].as_f64());
        let (amount, attention) = judged(&event);
        assert_eq!(row["amount_usd"], amount, "{row:?}");
        assert_eq!(row["attention"], attention, "{row:?}");
        let mut bare = event;
        for added in ["contract", "amount_usd", "attention"] {
            bare.as_object_mut().unwrap().remove(added);
        }
        assert_eq!(&bare, upstream, "nothing else has changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_lands_enriched_and_judged_and_only_once() {
    let scene = Scene::new("marketplace-to-sqlite", Api::OpenTrain, 1500).await;
    scene.run().await;
    let rows = scene.rows();
    assert_warehouse_holds(&rows, &scene.truth());
    for word in ["the budget is used up", "an expensive contract", "a large payment waits"] {
        assert!(rows.iter().any(|row| row["attention"] == word), "no event shows whether `{word}` works");
    }
    assert!(rows.iter().any(|row| row["attention"].is_null()));
    let archive = || std::fs::read_to_string(scene.data("marketplace.jsonl")).unwrap();
    assert!(archive() == scene.truth(), "the archive holds every event byte for byte");

    scene.run().await;
    assert_eq!(scene.rows(), rows, "a second run has nothing to do");

    scene.emulator.control().append(0, 300);
    scene.run().await;
    assert_warehouse_holds(&scene.rows(), &scene.truth());
    assert!(archive() == scene.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_leaves_what_lies_beside_it() {
    let scene = Scene::new("marketplace-to-sqlite", Api::OpenTrain, SAMPLE).await;
    scene.run().await;
    scene.assert_lies_beside("sample/events.jsonl", &scene.truth());
    let rows = scene.rows();
    let lines = rows.into_iter().map(|row| Value::Object(row).to_string() + "\n");
    scene.assert_lies_beside("expected/marketplace_events.jsonl", &lines.collect::<String>());
    let archive = std::fs::read_to_string(scene.data("marketplace.jsonl")).unwrap();
    scene.assert_lies_beside("expected/marketplace.jsonl", &archive);
}

/// Every file below a folder, with its text.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn day(milliseconds: &Value) -> String {
    let clock = Connection::open_in_memory().unwrap();
    let seconds = milliseconds.as_i64().unwrap().div_euclid(1000);
    clock.query_row("SELECT date(?1, 'unixepoch')", [seconds], |row| row.get(0)).unwrap()
}

/// What is said, by topic and day, each line as the feed served it.
fn said(truth: &str) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (line, update) in truth.lines().zip(events(truth)) {
        if update["eventType"].as_str().unwrap_or_default().starts_with("message.") {
            let data = &update["data"];
            let topic = data["topicId"].as_str().or(data["message"]["topicId"].as_str()).unwrap();
            let path = format!("topics/{topic}/{}.jsonl", day(&update["createdAt"]));
            files.entry(path).or_default().extend([line, "\n"]);
        }
    }
    files
}

/// The names of the files that were shared (nothing for a bare link), with their messages.
fn shared(truth: &str) -> Vec<(Value, Value)> {
    let created = events(truth).into_iter().filter(|update| update["eventType"] == "message.created");
    let messages = created.map(|update| match &update["data"]["message"] {
        Value::Null => update["data"].clone(),
        message => message.clone(),
    });
    let pairs = messages.flat_map(|message| {
        let attachments = message["attachments"].as_array().cloned().unwrap_or_default();
        let pair = move |attachment: Value| (message["id"].clone(), attachment["name"].clone());
        attachments.into_iter().map(pair).collect::<Vec<_>>()
    });
    pairs.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_team_chat_lands_in_files_by_topic_and_day() {
    let scene = Scene::new("team-chat-to-files", Api::Zenzap, 1500).await;
    for round in 0..2 {
        scene.run().await;
        let truth = scene.truth();
        let mut files = tree(&scene.data(""));
        let list = files.remove("shared_files.jsonl").unwrap();
        assert_eq!(files, said(&truth), "round {round}");
        let listed = events(&list).into_iter().map(|file| (file["message"].clone(), file["name"].clone()));
        let (listed, shared) = (listed.collect::<Vec<_>>(), shared(&truth));
        assert_eq!(listed, shared, "round {round}");
        assert!(
            shared.iter().any(|(_, name)| name.is_null()) && shared.iter().any(|(_, name)| name.is_string())
        );
        assert!(!list.contains("https://"), "no signed link leaves the rule");
        scene.emulator.control().append(0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_team_chat_leaves_what_lies_beside_it() {
    let scene = Scene::new("team-chat-to-files", Api::Zenzap, SAMPLE).await;
    scene.run().await;
    scene.assert_lies_beside("sample/updates.jsonl", &scene.truth());
    let written = tree(&scene.data(""));
    for (name, text) in &written {
        scene.assert_lies_beside(&format!("expected/{name}"), text);
    }
    assert!(tree(&scene.pipeline.join("expected")).keys().eq(written.keys()), "no file is missing");
}

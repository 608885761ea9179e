//! `team-chat-to-files`: every file compared with what was said.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use sluicebox_emulator::Api;

use crate::scene::{SAMPLE, Scene, events};

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

#[test]
fn the_team_chat_lands_in_files_by_topic_and_day() {
    let scene = Scene::new("team-chat-to-files", Api::Zenzap, 1500);
    for round in 0..2 {
        scene.run();
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
        scene.feed.append(0, 200);
    }
}

#[test]
fn the_team_chat_leaves_what_lies_beside_it() {
    let scene = Scene::new("team-chat-to-files", Api::Zenzap, SAMPLE);
    scene.run();
    scene.assert_lies_beside("sample/updates.jsonl", &scene.truth());
    let written = tree(&scene.data(""));
    for (name, text) in &written {
        scene.assert_lies_beside(&format!("expected/{name}"), text);
    }
    assert!(tree(&scene.beside("expected")).keys().eq(written.keys()), "no file is missing");
}

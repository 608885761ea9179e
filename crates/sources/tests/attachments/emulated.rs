//! Against the emulated chat, over TCP, through faults of its storage.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Emulator, Options, attachment, start};
use sluicebox_testkit::{Driver, announced, truth};
use tempfile::TempDir;

use crate::{files, registry};

const HOUR: Duration = Duration::from_secs(3600);

async fn emulator(events: u64, lifetime: Duration, faults: &[&str]) -> Emulator {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    start(Options { events, faults, attachments: Some(lifetime), ..Options::new(Api::Zenzap) }).await.unwrap()
}

async fn driver(emulator: &Emulator, folder: &TempDir) -> Driver {
    let announced = announced(emulator);
    let options = json!({
        "base_url": emulator.url(), "limit": 20, "timeout": "0s", "interval": "1s", "rate": "unlimited",
        "auth": { "api_key": { "key": announced["key"], "secret": announced["secret"] } },
        "attachments": { "download": folder.path() }
    });
    Driver::new(&registry(), "zenzap_updates", options, 4).await
}

/// The attachments of an event, each as an object.
fn attachments(line: &str) -> Vec<Value> {
    let event: Value = serde_json::from_str(line).unwrap();
    event["data"]["message"]["attachments"].as_array().cloned().unwrap_or_default()
}

/// An event as it was before its files were named in it.
fn without_downloads(line: &str) -> Value {
    let mut event: Value = serde_json::from_str(line).unwrap();
    if let Some(Value::Array(attachments)) = event.pointer_mut("/data/message/attachments") {
        for attachment in attachments {
            let object = attachment.as_object_mut().unwrap();
            object.remove("download").unwrap();
            // A link alone came as a text.
            if object.len() == 1 {
                *attachment = object["url"].clone();
            }
        }
    }
    event
}

/// The id in the link of an attachment.
fn linked(attachment: &Value) -> String {
    let url = attachment["url"].as_str().unwrap();
    url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn assert_whole(driver: &Driver, emulator: &Emulator, folder: &TempDir) {
    let truth: Vec<Value> =
        truth(&emulator.control()).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let came: Vec<Value> = driver.lines.iter().map(|line| without_downloads(line)).collect();
    assert!(came == truth, "each event once, in order, with nothing changed but the downloads");
    let mut named = HashSet::new();
    for attached in driver.lines.iter().flat_map(|line| attachments(line)) {
        assert_eq!(attached["download"]["status"], "ok", "{attached}");
        let path = attached["download"]["path"].as_str().unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert!(bytes == attachment(1, &linked(&attached)), "{path}");
        assert_eq!(attached["download"]["bytes"], bytes.len());
        named.insert(std::path::PathBuf::from(path));
    }
    assert!(named.len() > 20, "{}", named.len());
    let found: HashSet<_> = files(folder.path()).into_iter().collect();
    assert_eq!(found, named, "nothing lies beside the files");
}

#[tokio::test]
async fn every_file_arrives_through_faults_and_only_once() {
    let faults = ["file:status=503@every:5", "file:cut@every:7", "file:reset@every:11", "status=500@every:4"];
    let emulator = emulator(600, HOUR, &faults).await;
    let folder = TempDir::new().unwrap();
    let mut driver = driver(&emulator, &folder).await;
    driver.until(600).await.unwrap();
    assert_whole(&driver, &emulator, &folder);
    assert!(driver.retries > 10, "{}", driver.retries);
    let log = emulator.control().log();
    let fetched: Vec<&str> = log
        .iter()
        .filter(|record| {
            record.path.starts_with("/files/") && record.status == Some(200) && record.fault.is_none()
        })
        .map(|record| record.path.as_str())
        .collect();
    let once: HashSet<&&str> = fetched.iter().collect();
    assert_eq!(fetched.len(), once.len(), "transcripts bring the same recording again, and it is there");
}

#[tokio::test]
async fn a_poll_that_is_dropped_at_any_moment_loses_no_file() {
    let emulator = emulator(300, HOUR, &[]).await;
    let folder = TempDir::new().unwrap();
    let mut driver = driver(&emulator, &folder).await;
    let mut dropped = 0;
    while driver.lines.len() < 300 {
        // Always a little longer, so that it ends.
        let patience = Duration::from_micros(500 * (dropped % 40 + 1));
        if tokio::time::timeout(patience, driver.poll()).await.is_err() {
            dropped += 1;
        }
    }
    assert!(dropped > 5, "{dropped}");
    assert_whole(&driver, &emulator, &folder);
}

#[tokio::test]
async fn links_that_have_expired_are_told() {
    let emulator = emulator(200, Duration::ZERO, &[]).await;
    let folder = TempDir::new().unwrap();
    let mut driver = driver(&emulator, &folder).await;
    driver.until(200).await.unwrap();
    let all: Vec<Value> = driver.lines.iter().flat_map(|line| attachments(line)).collect();
    assert!(all.len() > 5 && all.iter().all(|it| it["download"]["status"] == "expired"), "{all:?}");
    assert!(files(folder.path()).is_empty());
}

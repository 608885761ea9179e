//! Attachments of a chat in a bucket of a real server that speaks Amazon S3's protocol and checks its signatures: each file
//! once, through kills; and what a wrong key, a missing bucket and a store that is away cost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options, attachment};
use sluicebox_services::S3Proxy;
use sluicebox_testkit::Feed;

const RUN: &str = "run --log-format json --admin off p.yaml";

struct Scene {
    server: S3Proxy,
    feed: Feed,
    _folder: tempfile::TempDir,
}

/// None when services are to be skipped.
fn scene(events: u64) -> Option<Scene> {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Proxy::private(folder.path())?;
    let latency = Duration::from_millis(2);
    let attachments = Some(Duration::from_secs(3600));
    let faults = vec!["file:status=503@every:6".parse().unwrap()];
    let options = Options { events, latency, attachments, faults, ..Options::new(Api::Zenzap) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    Some(Scene { server, feed, _folder: folder })
}

impl Scene {
    fn pipeline(&self, bucket: &str, secret: &str, more: &str) {
        let (key, _) = self.server.credentials();
        let url = self.server.url();
        self.feed.pipeline(
            &format!(
                "limit: 20\nattachments: {{ download: \"s3://{bucket}/chat\", s3: {{ endpoint: \"{url}\", key: {key}, \
                 secret: {secret} }}{more} }}"
            ),
            "",
        );
    }
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.extend([path]) }
    }
    found
}

fn attachments(event: &str) -> Vec<Value> {
    let event: Value = serde_json::from_str(event).unwrap();
    event.pointer("/data/message/attachments").and_then(Value::as_array).cloned().unwrap_or_default()
}

#[test]
fn every_file_is_in_the_bucket_through_kills() {
    let Some(scene) = scene(300) else { return };
    let (_, secret) = scene.server.credentials();
    scene.pipeline(scene.server.bucket(), secret, "");
    scene.feed.run("check p.yaml").expect(0);
    for round in 0..4 {
        scene.feed.kill_in_flight(RUN, round);
        scene.feed.served.append(0, 100);
    }
    let finished = scene.feed.run("run --once -vv --log-format json --admin off p.yaml").expect(0);
    let rows = scene.feed.rows_of(0);
    assert_eq!(rows.len(), scene.feed.served.truth(0).len());
    let mut named = BTreeSet::new();
    for attached in rows.iter().flat_map(|row| attachments(row)) {
        assert_eq!(attached["download"]["status"], "ok", "{attached}");
        let path = attached["download"]["path"].as_str().unwrap();
        let key = path.strip_prefix("s3://attachments/chat/a0/").unwrap();
        let object = scene.server.objects().join(format!("chat/a0/{key}"));
        let address = attached["url"].as_str().unwrap().split('?').next().unwrap();
        let id = address.rsplit('/').next().unwrap();
        assert!(std::fs::read(&object).unwrap() == attachment(1, id), "{}", object.display());
        named.insert(object);
    }
    assert!(named.len() > 20, "{}", named.len());
    assert_eq!(files(&scene.server.objects()), named);
    for planted in ["token=", "X-Amz-Signature"] {
        assert!(!finished.stderr.contains(planted), "{planted} is in the log");
    }
}

#[test]
fn a_store_that_does_not_let_us_in_pauses_and_loses_nothing() {
    let Some(scene) = scene(60) else { return };
    let (_, secret) = scene.server.credentials();
    for (bucket, given, says) in [
        (
            scene.server.bucket(),
            "wrong",
            "the bucket `attachments` does not let us in (status 403: SignatureDoesNotMatch)",
        ),
        ("elsewhere", secret, "there is no bucket `elsewhere` (status 404: NoSuchBucket)"),
    ] {
        scene.pipeline(bucket, given, "");
        let finished = scene.feed.once().expect(1);
        assert!(finished.stderr.contains(says), "{}", finished.stderr);
        assert!(files(&scene.server.objects()).is_empty());
    }
    scene.pipeline(scene.server.bucket(), secret, "");
    scene.feed.once().expect(0);
    let rows = scene.feed.rows_of(0);
    assert_eq!(rows.len(), 60);
    let all: Vec<Value> = rows.iter().flat_map(|row| attachments(row)).collect();
    assert!(!all.is_empty() && all.iter().all(|it| it["download"]["status"] == "ok"), "{all:?}");
}

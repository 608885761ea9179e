//! Attachments of a chat and transcripts of its voice messages, with the real program: through kills and a failing file
//! server, polled and pushed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sluicebox_emulator::{Api, Options, attachment};
use sluicebox_testkit::{Feed, Process, wait_for};

const HOUR: Duration = Duration::from_secs(3600);
const RUN: &str = "run --log-format json --admin off p.yaml";
const SPOKEN: &str = "transforms:\n  spoken:\n    type: rhai\n    inputs: [feed]\n    pack: chat/transcripts\n    \
    state: { voice: { kind: value, ttl: 1d } }\nsinks:\n  \
    rows: { type: sqlite, inputs: [spoken], path: rows.db, table: events, batch: { max_events: 20 } }\n";

/// How often the program is killed.
fn kills() -> u64 {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

fn feed(events: u64, lifetime: Duration, faults: &[&str]) -> Feed {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    let latency = Duration::from_millis(2);
    let attachments = Some(lifetime);
    let options = Options { events, faults, latency, attachments, ..Options::new(Api::Zenzap) };
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options)
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.extend([path]) }
    }
    found
}

fn read(lines: Vec<String>) -> Vec<Value> {
    lines.into_iter().map(|line| serde_json::from_str(&line).unwrap()).collect()
}

fn attachments(event: &Value) -> impl Iterator<Item = &Value> {
    event.pointer("/data/message/attachments").and_then(Value::as_array).into_iter().flatten()
}

/// Every file that an event names is there, as it was served, and no other is.
fn assert_files(feed: &Feed, rows: &[Value]) {
    let mut named = BTreeSet::new();
    for attached in rows.iter().flat_map(attachments) {
        assert_eq!(attached["download"]["status"], "ok", "{attached}");
        let path = feed.path(attached["download"]["path"].as_str().unwrap());
        let address = attached["url"].as_str().unwrap().split('?').next().unwrap();
        let id = address.rsplit('/').next().unwrap();
        assert!(std::fs::read(&path).unwrap() == attachment(1, id), "{}", path.display());
        named.insert(path);
    }
    assert!(named.len() > 20, "{}", named.len());
    assert_eq!(files(&feed.path("files")), named);
}

/// Recordings whose transcript is there or will never be, as `message/attachment`.
fn settled(events: &[Value]) -> BTreeSet<String> {
    let is_settled = |attachment: &&Value| {
        matches!(attachment.pointer("/transcription/status").and_then(Value::as_str), Some("Done" | "Failed"))
    };
    let of = |event: &Value| {
        let message = event["data"]["message"]["id"].as_str().unwrap_or_default().to_owned();
        let name = move |attachment: &Value| format!("{message}/{}", attachment["id"].as_str().unwrap());
        attachments(event).filter(is_settled).map(name).collect::<Vec<_>>()
    };
    events.iter().flat_map(of).collect()
}

#[test]
fn files_are_whole_and_transcripts_are_told_once_through_kills() {
    let feed = feed(400, HOUR, &["file:status=503@every:6", "file:reset@every:9", "file:cut@every:13"]);
    feed.pipeline("limit: 20\nattachments: { download: files }", SPOKEN);
    feed.run("check p.yaml").expect(0);
    for round in 0..kills() {
        feed.kill_in_flight(RUN, round);
        feed.served.append(0, 30);
    }
    let finished = feed.run("run --once -vv --log-format json --admin off p.yaml").expect(0);
    let (rows, truth) = (read(feed.rows_of(0)), read(feed.served.truth(0)));
    let ids = |events: &[Value]| events.iter().map(|event| event["updateId"].clone()).collect::<Vec<_>>();
    assert!(ids(&rows) == ids(&truth), "each event once, in order");
    assert_files(&feed, &rows);
    let mut told = Vec::new();
    for row in rows.iter().filter(|row| row.get("transcript").is_some()) {
        let joined = &row["transcript"];
        let message = &row["data"]["message"]["id"];
        assert_eq!(&joined["message"]["id"], message);
        assert!(
            joined["waited_seconds"].as_f64().unwrap() > 0.0,
            "the message as it was first seen: {joined}"
        );
        for recording in joined["recordings"].as_array().unwrap() {
            assert_eq!(recording["status"] == "Done", joined["text"].is_string(), "{joined}");
            told.push(format!("{}/{}", message.as_str().unwrap(), recording["id"].as_str().unwrap()));
        }
    }
    told.sort();
    assert_eq!(told, settled(&truth).into_iter().collect::<Vec<_>>());
    assert!(told.len() > 10, "{}", told.len());
    assert!(!finished.stderr.contains("token="), "a signed link is in the log");
}

#[test]
fn links_that_are_dead_are_told_and_the_feed_goes_on() {
    let feed = feed(200, Duration::ZERO, &[]);
    feed.pipeline("attachments: { download: files, types: [image, audio] }", SPOKEN);
    feed.once().expect(0);
    let rows = read(feed.rows_of(0));
    assert_eq!(rows.len(), 200);
    let status = |attachment: &Value| attachment["download"]["status"].as_str().unwrap().to_owned();
    let found: BTreeSet<String> = rows.iter().flat_map(attachments).map(status).collect();
    assert_eq!(found, BTreeSet::from(["expired".to_owned(), "skipped".to_owned()]));
    assert!(files(&feed.path("files")).is_empty());
}

/// Where webhooks are taken, by the log.
fn port(process: &mut Process) -> u16 {
    let line = process.wait_for_log("webhooks are taken at http://127.0.0.1:");
    let (_, rest) = line.split_once("http://127.0.0.1:").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// Posts an update in the form of a webhook, signed; the status of the answer.
fn post(port: u16, update: &Value) -> String {
    let body = serde_json::json!({
        "id": update["updateId"], "type": update["eventType"], "eventVersion": 1,
        "timestamp": update["createdAt"], "data": update["data"],
    })
    .to_string();
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"zs_secret").unwrap();
    mac.update(format!("{milliseconds}.{body}").as_bytes());
    let signature =
        mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let request = format!(
        "POST /hooks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Zenzap-Timestamp: {milliseconds}\r\n\
         X-Zenzap-Event: message.created\r\nX-Zenzap-Signature: {signature}\r\nX-Zenzap-Delivery-Id: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        update["updateId"].as_str().unwrap(),
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn pushed_messages_bring_their_files_too_although_the_server_fails_and_the_program_is_killed() {
    let feed = feed(300, HOUR, &["file:status=503@every:4"]);
    let webhook = "webhook: { listen: \"127.0.0.1:0\", path: /hooks, secrets: [zs_secret] }";
    feed.pipeline(&format!("attachments: {{ download: files }}\n{webhook}"), SPOKEN);
    let updates = read(feed.served.truth(0));
    let attached: Vec<&Value> = updates.iter().filter(|update| attachments(update).count() > 0).collect();
    let (first, second) = attached.split_at(attached.len() / 2);
    for (updates, is_killed) in [(first, true), (second, false)] {
        let mut process = feed.start(RUN);
        let port = port(&mut process);
        for update in updates {
            assert_eq!(post(port, update), "200");
        }
        if is_killed {
            process.kill();
            process.finish();
        } else {
            wait_for("every event", || (feed.rows_of(0).len() == attached.len()).then_some(()));
            process.terminate();
            process.finish().expect(0);
        }
    }
    let rows = read(feed.rows_of(0));
    let ids = |events: &mut dyn Iterator<Item = &Value>| {
        events.map(|it| it["updateId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut rows.iter()), ids(&mut attached.into_iter()));
    assert_files(&feed, &rows);
}

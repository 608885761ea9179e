//! The webhook as the bell, the feed as the ledger: events land at once although the interval is five minutes, and with
//! the endpoint down nothing is lost.
//!
//! Runs in a short form with the other tests; `cargo xtask bell` rings 300 times and judges how long events took.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

mod webhook_sender;

use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Process, request, wait_for};
use webhook_sender::Sender;

const TYPES: [&str; 8] = [
    "proposal.received",
    "proposal.status_changed",
    "message.received",
    "contract.created",
    "milestone.status_changed",
    "payment.pending",
    "approval.confirmed",
    "contract.budget_state_changed",
];

/// A marketplace, a pipeline that reads it every five minutes, and a bell.
struct Scene {
    feed: Feed,
    secret: String,
}

impl Scene {
    /// `subscribed`: where OpenTrain was told to post; `listening`: where the pipeline listens.
    fn new(subscribed: u16, listening: u16, options: &str) -> Self {
        let emulated = Options { events: 5, ..Options::new(Api::OpenTrain) };
        let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), emulated);
        let token = format!("Authorization: Bearer {}", feed.served.credential(0, "token"));
        let url = format!("http://127.0.0.1:{subscribed}/hooks/opentrain");
        let body = json!({ "url": url, "eventTypes": TYPES }).to_string();
        let made = request("POST", &format!("{}/webhooks", feed.served.url()), &[&token], &body).unwrap();
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        let (url, token) = (feed.served.url().to_owned(), feed.served.credential(0, "token"));
        feed.write(
            "p.yaml",
            &format!(
                "sources:\n  feed:\n    type: opentrain_updates\n    base_url: {url}\n    token: {token}\n    {options}\n    \
                 webhook: {{ listen: \"127.0.0.1:{listening}\", path: /hooks/opentrain, secrets: [{secret}] }}\n\
                 sinks:\n  rows: {{ type: sqlite, inputs: [feed], path: rows.db, table: events }}\n"
            ),
        );
        Self { feed, secret }
    }

    fn start(&self) -> Process {
        self.feed.start("run p.yaml --admin off")
    }

    /// Waits until every event that there is has landed, in order.
    fn wait_until_whole(&self) {
        let truth = self.feed.served.truth(0);
        wait_for("every event in the sink", || {
            let rows = self.feed.rows("rows.db", "SELECT event FROM events ORDER BY rowid");
            assert!(rows.len() <= truth.len(), "none twice");
            (rows == truth).then_some(())
        });
    }

    fn polls(&self) -> usize {
        self.feed.served.log().iter().filter(|record| record.path.ends_with("/updates")).count()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn events_land_at_once_although_the_interval_is_long() {
    let full = std::env::var("SLUICEBOX_RINGS").ok().and_then(|text| text.parse().ok());
    let port = free_port();
    let scene = Scene::new(port, port, "interval: 5m");
    let process = scene.start();
    scene.wait_until_whole();
    let mut took = Vec::new();
    let database = || {
        let path = scene.feed.path("rows.db");
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    };
    let database = database();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    for ring in 0..full.unwrap_or(20_u64) {
        let before = count("SELECT count(*) FROM events");
        let created = Instant::now();
        scene.feed.served.append(0, 1);
        // Types that no contract names cannot be subscribed to: the next event brings them along.
        let last: Value = serde_json::from_str(scene.feed.served.truth(0).last().unwrap()).unwrap();
        if !TYPES.contains(&last["type"].as_str().unwrap()) {
            continue;
        }
        wait_for("the event", || {
            for _ in 0..500 {
                if count("SELECT count(*) FROM events") > before {
                    return Some(());
                }
                sleep(Duration::from_millis(1));
            }
            None
        });
        took.push(created.elapsed());
        if full.is_some() {
            // One event a second on average, as irregular as can be told from the number of the ring.
            sleep(Duration::from_millis(ring * 7919 % 2000));
        }
    }
    took.sort_unstable();
    let of = |hundredth: usize| took[(took.len() - 1) * hundredth / 100];
    println!(
        "{} rings, interval 5m: from creation to durable in SQLite p50 {:?}, p99 {:?}, longest {:?}",
        took.len(),
        of(50),
        of(99),
        of(100)
    );
    assert!(full.is_none() || of(99) <= Duration::from_secs(1));
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn with_the_endpoint_down_nothing_is_lost() {
    // Nobody listens where OpenTrain posts to.
    let scene = Scene::new(free_port(), free_port(), "interval: 1s");
    let process = scene.start();
    for _ in 0..3 {
        scene.feed.served.append(0, 20);
        scene.wait_until_whole();
    }
    let attempts = scene.feed.served.webhook_attempts(0);
    assert!(!attempts.is_empty() && attempts.iter().all(|attempt| attempt.status.is_none()), "{attempts:?}");
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn only_a_delivery_that_is_signed_and_new_rings() {
    let port = free_port();
    let scene = Scene::new(free_port(), port, "interval: 5m");
    let mut process = scene.start();
    process.wait_for_log("caught up with the feed");
    let polls = scene.polls();
    let (stranger, sender) = (
        Sender::new(port, "/hooks/opentrain", "whsec_other"),
        Sender::new(port, "/hooks/opentrain", &scene.secret),
    );
    assert_eq!(stranger.post("d-1", "{}"), Some(401));
    scene.feed.served.append(0, 1);
    assert_eq!(scene.polls(), polls, "a stranger does not ring");
    assert_eq!(sender.post("d-2", "{}"), Some(200));
    scene.wait_until_whole();
    assert!(scene.polls() > polls);
    process.terminate();
    process.finish().expect(0);
}

#[test]
fn a_bell_is_checked_where_it_stands() {
    let scene = Scene::new(1, 1, "interval: 5m");
    let text = scene
        .feed
        .read("p.yaml")
        .replace("path: /hooks/opentrain", "path: hooks")
        .replace("secrets:", "secret:");
    scene.feed.write("p.yaml", &text);
    let said = scene.feed.run("check p.yaml").expect(78).stderr;
    assert!(said.contains("secret"), "{said}");
    scene.feed.write("p.yaml", &text.replace("secret:", "secrets:"));
    let said = scene.feed.run("check p.yaml").expect(78).stderr;
    assert!(said.contains("begins with `/`, found `hooks`") && said.contains("p.yaml:7:"), "{said}");
}

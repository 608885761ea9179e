//! kill -9 at random moments, again and again: nothing lost; nothing doubled in SQLite and in an exact file; a plain
//! file holds at most one in-flight cap of duplicates a kill.
//!
//! Runs in a short form with the other tests; `cargo xtask kill-loop` runs it with 50 kills.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluicebox_emulator::{Api, Control, Emulator, Options, start};
use sluicebox_testkit::{Form, for_both_forms};

/// The engine's cap on events in flight of one partition, and one page that may overshoot it.
const IN_FLIGHT_CAP: usize = 16_384 + 20;

/// Events that wait upstream at the start of each round, so that every kill lands in the middle of work.
const BACKLOG: u64 = 4000;

struct Scene {
    folder: tempfile::TempDir,
    token: String,
    control: Control,
    random: u64,
}

impl Scene {
    async fn new(form: Form, sinks: &str) -> (Self, Emulator) {
        let options =
            Options { events: BACKLOG, latency: Duration::from_millis(2), ..Options::new(Api::OpenTrain) };
        let emulator = start(options).await.unwrap();
        let announcement = serde_json::to_value(emulator.announcement()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pipeline = format!(
            "sources:\n  feed: {{ type: {}, base_url: \"{}\", token: \"${{TOKEN}}\", limit: 20, \
             rate: unlimited, interval: 1s }}\nsinks:\n{sinks}",
            form.source_type(Api::OpenTrain),
            announcement["url"].as_str().unwrap()
        );
        std::fs::write(folder.path().join("kill.yaml"), pipeline).unwrap();
        let token = announcement["token"].as_str().unwrap().to_owned();
        let seed = std::env::var("SLUICEBOX_SEED").ok().and_then(|seed| seed.parse().ok());
        let scene = Self { folder, token, control: emulator.control(), random: seed.unwrap_or(7) };
        (scene, emulator)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spawn(&self, once: bool) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
        command.args(["run", "--admin", "off", "-q", "kill.yaml"]).current_dir(self.folder.path());
        if once {
            command.arg("--once");
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        command.env("TOKEN", &self.token).stdin(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// xorshift: a wait that differs from round to round and is the same for the same seed.
    fn wait(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Duration::from_millis(self.random % 400)
    }

    fn served(&self) -> u64 {
        self.control.stats().events_served
    }

    /// Everything that the feed held, byte for byte, in order.
    fn truth(&self) -> Vec<String> {
        lines(&self.control.events(0))
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn rows(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT event FROM events ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn count_lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.split(|byte| *byte == b'\n').count() - 1)
}

fn duplicates(lines: &[String]) -> usize {
    lines.len() - lines.iter().collect::<HashSet<_>>().len()
}

fn kills_at_random_moments_lose_nothing_and_double_nothing_where_it_is_promised(form: Form) {
    tokio::runtime::Runtime::new().unwrap().block_on(kills(form));
}

for_both_forms!(kills_at_random_moments_lose_nothing_and_double_nothing_where_it_is_promised);

async fn kills(form: Form) {
    let kills: usize =
        std::env::var("SLUICEBOX_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(8);
    let (mut scene, _emulator) = Scene::new(
        form,
        "  warehouse: { type: sqlite, inputs: [feed], path: warehouse.db, table: events }\n  \
         exact: { type: file, inputs: [feed], path: exact.jsonl, delivery: exactly_once }\n  \
         slow: { type: file, inputs: [feed], path: slow.jsonl, batch: { max_events: 1 } }\n  \
         slower: { type: blackhole, inputs: [feed], delay: 10ms, batch: { max_events: 1 } }\n",
    )
    .await;
    let mut in_flight = 0;
    for kill in 1..=kills {
        let left = BACKLOG.saturating_sub(
            scene.control.visible(0).saturating_sub(count_lines(&scene.path("slow.jsonl")) as u64),
        );
        scene.control.append(0, left);
        let before = scene.served();
        let mut child = scene.spawn(false);
        // One kill of eight may land before the first poll, however long that takes on a busy machine.
        while kill % 8 != 0 && scene.served() == before {
            assert!(child.try_wait().unwrap().is_none(), "it runs until it is killed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(scene.wait()).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // Something was polled in this life, and the slowest sink had not seen all of it.
        let delivered = count_lines(&scene.path("slow.jsonl")) as u64;
        in_flight += usize::from(scene.served() > before && delivered < scene.control.visible(0));
    }
    let status = scene.spawn(true).wait().unwrap();
    assert!(status.success(), "{}", std::fs::read_to_string(scene.path("log")).unwrap());

    let truth = scene.truth();
    let warehouse = rows(&scene.path("warehouse.db"));
    let exact = lines(&std::fs::read(scene.path("exact.jsonl")).unwrap());
    let slow = lines(&std::fs::read(scene.path("slow.jsonl")).unwrap());
    println!(
        "{form:?}: {kills} kills, {in_flight} with events in flight; {} events; duplicates: sqlite {}, exact file {}, plain file {}",
        truth.len(),
        duplicates(&warehouse),
        duplicates(&exact),
        duplicates(&slow)
    );
    assert_eq!(warehouse, truth, "the warehouse holds each event once, in order, byte for byte");
    assert_eq!(exact, truth, "the exact file holds each event once, in order, byte for byte");
    let held: HashSet<&String> = slow.iter().collect();
    assert!(truth.iter().all(|event| held.contains(event)), "the plain file lost nothing");
    assert!(duplicates(&slow) <= kills * IN_FLIGHT_CAP);
    assert!(
        in_flight * 5 >= kills * 4,
        "at least four kills of five land with events in flight: {in_flight}"
    );
    assert_first_occurrences_in_order(&slow, &truth);
}

/// At least once may repeat a stretch, but what is seen for the first time keeps the feed's order.
fn assert_first_occurrences_in_order(seen: &[String], truth: &[String]) {
    let place: BTreeMap<&String, usize> =
        truth.iter().enumerate().map(|(place, event)| (event, place)).collect();
    let mut first = HashSet::new();
    let places: Vec<usize> =
        seen.iter().filter(|event| first.insert(*event)).map(|event| place[event]).collect();
    assert!(places.is_sorted());
}

//! kill -9 at random moments while senders retry: every delivery that was answered 2xx is in SQLite once, in order.
//!
//! Runs in a short form with the other tests; `cargo xtask webhook-kills` runs it with 200 kills and 50 senders.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

mod webhook_sender;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluicebox_testkit::{Sandbox, wait_for};
use webhook_sender::Sender;

fn from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Starts the program; where the pipeline lies, its log grows.
fn start(sandbox: &Sandbox) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(sandbox.path("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicebox"));
    command.args(["run", "--admin", "off", "p.yaml"]).current_dir(sandbox.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// What the senders have been told so far.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// Attempts that got no answer, or one that asks to come again.
    again: AtomicU64,
}

/// Sends one delivery after the other, each until it is answered 2xx, until it is told to stop. Returns how many.
fn send_on(sender: &Sender, number: usize, tally: &Tally) -> u64 {
    let mut sent = 0;
    while !tally.stop.load(Ordering::Acquire) {
        let id = format!("s{number}-{sent}");
        let body = format!(r#"{{"id":"{id}","type":"t","sender":{number},"count":{sent}}}"#);
        while sender.post(&id, &body) != Some(200) {
            tally.again.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(10));
        }
        tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        sent += 1;
    }
    sent
}

#[test]
fn what_was_answered_2xx_is_there_once_whatever_is_killed_when() {
    let (kills, senders) =
        (from_environment("SLUICEBOX_KILLS", 10), from_environment("SLUICEBOX_SENDERS", 8));
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    sandbox.write(
        "p.yaml",
        &format!(
            "sources:\n  hooks: {{ type: webhook, listen: \"127.0.0.1:{port}\", path: /hooks, scheme: opentrain, \
             secrets: [whsec_test] }}\nsinks:\n  rows: {{ type: sqlite, inputs: [hooks], path: rows.db, table: events, \
             columns: {{ id: meta.id, sender: event.sender, count: event.count }} }}\n"
        ),
    );
    let tally = Arc::new(Tally::default());
    let threads: Vec<_> = (0..senders)
        .map(|number| {
            let (tally, sender) = (Arc::clone(&tally), Sender::new(port, "/hooks", "whsec_test"));
            spawn(move || send_on(&sender, number, &tally))
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut random = from_environment("SLUICEBOX_SEED", usize::try_from(now % 1_000_000).unwrap()) as u64 + 1;
    println!("seed {}", random - 1);
    let mut lives_with_news = 0;
    for _ in 0..kills {
        let before = tally.acknowledged.load(Ordering::Relaxed);
        let mut child = start(&sandbox);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep(Duration::from_millis(150 + random % 500));
        child.kill().unwrap();
        child.wait().unwrap();
        lives_with_news += usize::from(tally.acknowledged.load(Ordering::Relaxed) > before);
    }
    let mut child = start(&sandbox);
    tally.stop.store(true, Ordering::Release);
    let sent: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let acknowledged: u64 = sent.iter().sum();
    wait_for("every delivery in the sink", || {
        let count = sandbox.rows("rows.db", "SELECT CAST(count(*) AS TEXT) FROM events");
        (count.first()?.parse::<u64>().ok()? >= acknowledged).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    println!(
        "{kills} kills, {lives_with_news} of them after new deliveries; {senders} senders; {acknowledged} deliveries \
         answered 2xx, {} attempts that were not",
        tally.again.load(Ordering::Relaxed)
    );
    let expected: Vec<String> = sent
        .iter()
        .enumerate()
        .flat_map(|(number, sent)| (0..*sent).map(move |count| format!("webhook:hooks:s{number}-{count}")))
        .collect();
    let rows = sandbox.rows("rows.db", "SELECT id FROM events ORDER BY sender, rowid");
    assert_eq!(rows, expected, "each delivery once, and those of a sender in their order");
    assert!(lives_with_news * 2 > kills, "most kills land in the middle of work: {lives_with_news}");
}

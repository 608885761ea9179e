//! The whole program on real brokers that refuse, lose leaders, block and go silent: what passes is tried again, what can
//! never be written is a dead letter, what needs a person pauses with every cursor kept, and one who was replaced ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod amqp;
mod kafka;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use sluicebox_testkit::{Finished, Process, Sandbox, Stub, get, wait_for};

/// A name that no other test uses, in this process or another.
fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    format!("{prefix}-{since}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Events with the numbers 1 to `count`, all of one key.
fn feed(count: usize) -> Stub {
    Stub::feed((1..=count).map(|id| Stub::event(id, &format!("{{\"n\":{id}}}"))).collect())
}

fn once(sandbox: &Sandbox) -> Finished {
    sandbox.run("run --once --log-format json --admin off p.yaml")
}

fn begin(sandbox: &Sandbox) -> Process {
    sandbox.start("run --log-format json --admin 127.0.0.1:0 p.yaml")
}

fn end(process: Process) -> Finished {
    process.terminate();
    process.finish().expect(0)
}

/// How far the source has come for good.
fn cursor(sandbox: &Sandbox) -> usize {
    let rows = sandbox.cursors();
    rows.first().and_then(|row| row["cursor"].as_str()?.parse().ok()).unwrap_or(0)
}

/// The number of an event, from its JSON.
fn number(event: &str) -> usize {
    serde_json::from_str::<Value>(event).unwrap()["data"]["n"].as_u64().unwrap().try_into().unwrap()
}

/// The messages of the log lines with that `event`.
fn said(log: &[Value], event: &str) -> Vec<String> {
    let lines = log.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

/// Runs until the sink pauses, and returns what is said of it; the admin server names it, and nothing is acknowledged.
fn paused(sandbox: &Sandbox, component: &str) -> String {
    let mut process = begin(sandbox);
    let admin = process.admin();
    process.wait_for_log("\"paused\"");
    let ready = wait_for("the obstacle", || {
        get(&format!("{admin}/health/ready")).filter(|answer| answer.status == 503)
    });
    let obstacle = &ready.json()["obstacles"][0];
    assert_eq!(obstacle["component"], component);
    assert_eq!(get(&format!("{admin}/health/live")).unwrap().status, 200, "paused is not dead");
    let log = end(process).log();
    assert!(sandbox.cursors().iter().all(|row| row["cursor"].is_null()), "nothing is acknowledged");
    assert_eq!(sandbox.dead_letters(), [] as [Value; 0]);
    let told = said(&log, "paused");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("paused, every cursor is kept: "), "{told:?}");
    let ended = once(sandbox).expect(1);
    assert!(said(&ended.log(), "paused") == told, "{}", ended.stderr);
    told[0].clone()
}

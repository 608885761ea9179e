//! A writer that is killed, and a disk that is full: the destination is always the positions' own past.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed set-up should panic; the child reports by lines"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use sluicebox_core::{Event, TransactionalSink};
use sluicebox_testkit::{commit, event};
use support::{opened, select};

const FOLDER_VARIABLE: &str = "SLUICEBOX_TEST_DATABASE";

fn batch(number: u64) -> Vec<Event> {
    (0..50)
        .map(|index| event(usize::try_from(number).unwrap() * 50 + index, r#"{"text":"0123456789"}"#))
        .collect()
}

async fn write_on(sink: &mut dyn TransactionalSink, from: u64) -> sluicebox_core::Error {
    for number in from.. {
        match commit(sink, &batch(number), number + 1).await {
            Ok(_) => println!("committed {}", number + 1),
            Err(error) => return error,
        }
    }
    unreachable!("the loop ends with an error")
}

/// Not a test of its own: the process that those below start.
#[tokio::test]
#[ignore = "the child process of the tests in this file"]
async fn writer() {
    let dir = std::env::var(FOLDER_VARIABLE).unwrap();
    let (mut sink, opened) = opened(Path::new(&dir), json!({})).await;
    let from = opened.positions.first().map_or(0, |position| position.safe_seq);
    let error = write_on(&mut *sink, from).await;
    println!("failed {} {}", error.class().as_str(), error.chain());
    // The same window again, and still nothing of it is there.
    assert!(write_on(&mut *sink, select_seq(Path::new(&dir))).await.class().is_retryable());
}

fn select_seq(dir: &Path) -> u64 {
    select(dir, "SELECT safe_seq FROM _sluicebox_positions").first().map_or(0, |seq| seq.parse().unwrap())
}

fn assert_rows_are_those_of_the_position(dir: &Path) -> u64 {
    let seq = select_seq(dir);
    assert_eq!(select(dir, "SELECT count(*) FROM events"), [(seq * 50).to_string()]);
    assert_eq!(select(dir, "SELECT count(DISTINCT _event_id) FROM events"), [(seq * 50).to_string()]);
    seq
}

#[test]
fn a_killed_writer_leaves_rows_and_position_in_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for commits in [1, 5, 20] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--ignored", "--nocapture"])
            .env(FOLDER_VARIABLE, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.filter(|line| line.contains("committed")).take(commits).count(), commits);
        child.kill().unwrap();
        child.wait().unwrap();
        let seq = assert_rows_are_those_of_the_position(dir.path());
        assert!(seq >= last + commits as u64);
        last = seq;
    }
}

#[test]
fn a_full_disk_is_retryable_and_leaves_whole_windows() {
    let dir = tempfile::tempdir().unwrap();
    // SIGXFSZ is ignored, so a write beyond the limit fails as on a full disk.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" --exact writer --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER_VARIABLE, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("failed transient"), "{text}");
    assert!(assert_rows_are_those_of_the_position(dir.path()) > 3);
}

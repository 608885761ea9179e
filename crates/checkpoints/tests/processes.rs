//! Two processes at one state, and one that is killed: the lock and the log must both hold.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed set-up should panic; the child reports by lines"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sluicebox_checkpoints::{OpenError, SqliteStore};
use sluicebox_core::{CheckpointStore, ErrorClass};
use support::{PIPELINE, full_commit, open, reader};

const FOLDER_VARIABLE: &str = "SLUICEBOX_TEST_STATE";

/// Not a test of its own: the other process, started by those below.
#[tokio::test]
#[ignore = "the child process of the tests in this file"]
async fn writer() {
    let dir = std::env::var(FOLDER_VARIABLE).unwrap();
    let store = open(Path::new(&dir));
    let mut failed = None;
    for safe_seq in 1.. {
        match store.commit(full_commit(20, safe_seq)).await {
            Ok(()) => println!("committed {safe_seq}"),
            Err(error) => {
                failed = Some((error, safe_seq - 1));
                break;
            }
        }
    }
    let (error, committed) = failed.unwrap();
    assert_eq!(error.class(), ErrorClass::Transient, "{}", error.chain());
    assert_eq!(store.load().await.unwrap().partitions[0].safe_seq, committed);
    println!("full after {committed}");
}

/// A process that commits without end, after it has committed `commits` times.
fn start(dir: &Path, commits: usize) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--ignored", "--nocapture"])
        .env(FOLDER_VARIABLE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let committed = lines.by_ref().map(Result::unwrap).filter(|line| line.contains("committed"));
    assert_eq!(committed.take(commits).count(), commits);
    std::thread::spawn(move || lines.count());
    child
}

#[tokio::test]
async fn a_second_instance_is_turned_away_while_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), 3);
    match SqliteStore::open(dir.path(), PIPELINE) {
        Err(OpenError::Locked { holder, .. }) => assert_eq!(holder, Some(child.id())),
        other => panic!("{:?}", other.err()),
    }
    let reader = reader(dir.path());
    for _ in 0..50 {
        let state = reader.state().unwrap();
        let seqs: Vec<_> = state.partitions.iter().map(|record| record.safe_seq).collect();
        assert!(
            seqs.len() == 20 && seqs.iter().all(|seq| *seq == seqs[0]),
            "a commit is seen whole: {seqs:?}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    open(dir.path());
}

#[tokio::test]
async fn a_killed_writer_loses_no_commit_that_it_was_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut newest = 0;
    for commits in [1, 3, 10, 40] {
        let mut child = start(dir.path(), commits);
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(dir.path());
        let state = store.load().await.unwrap();
        let seq = state.partitions[0].safe_seq;
        assert!(seq >= commits as u64, "{seq} after {commits}");
        assert!(state.partitions.iter().all(|record| record.safe_seq == seq));
        newest = newest.max(seq);
        assert_eq!(reader(dir.path()).dead_letters().unwrap().len() as u64, 2 * newest);
    }
}

#[tokio::test]
async fn a_full_disk_is_retryable_and_leaves_the_last_commit() {
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
    let committed: u64 = text.split("full after ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(committed > 1);
    assert_eq!(open(dir.path()).load().await.unwrap().partitions[0].safe_seq, committed);
}

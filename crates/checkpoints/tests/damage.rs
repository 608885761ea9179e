//! A damaged state is refused or read rightly; it is never taken for a new one.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use std::path::{Path, PathBuf};

use sluicebox_checkpoints::{OpenError, SqliteStore, StateReader};
use sluicebox_core::{CheckpointStore, Commit};
use support::{PIPELINE, contents, full_commit, open, reader};

/// A folder that holds copies of the given state files.
fn copy(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(PIPELINE)).unwrap();
    for (name, bytes) in files {
        std::fs::write(file(dir.path(), name), bytes).unwrap();
    }
    dir
}

fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join(PIPELINE).join(name)
}

fn read(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(file(dir, name)).unwrap()
}

/// What can be read from a folder after an open: everything, or the error that a user would get.
async fn outcome(dir: &Path) -> Result<String, String> {
    let store = SqliteStore::open(dir, PIPELINE).map_err(|error| error.to_string())?;
    let state = store.load().await.map_err(|error| error.chain())?;
    let letters = reader(dir).dead_letters().map_err(|error| error.chain())?;
    Ok(contents(&state, &letters))
}

fn assert_unreadable(dir: &Path, expected: &str) {
    let error = SqliteStore::open(dir, PIPELINE).err().unwrap();
    assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.help().contains("backup"), "{}", error.help());
    assert!(StateReader::open(dir, PIPELINE).is_err());
}

/// Every offset of the parts that steer (the first bytes, and those of every block from `phase` on), and a stride
/// through the rest.
fn offsets(length: usize, phase: usize, block: usize, stride: usize) -> impl Iterator<Item = usize> {
    (0..length)
        .filter(move |offset| *offset < 112 || (offset + block - phase) % block < 24 || offset % stride == 0)
}

#[tokio::test]
async fn a_flipped_byte_in_the_file_is_refused_or_harmless() {
    let made = tempfile::tempdir().unwrap();
    let store = open(made.path());
    store.commit(full_commit(6, 1)).await.unwrap();
    store.commit(full_commit(6, 2)).await.unwrap();
    drop(store);
    let state = read(made.path(), "state.db");
    let expected = outcome(made.path()).await.unwrap();
    let mut refused = 0;
    for offset in offsets(state.len(), 0, 4096, 89) {
        let mut bytes = state.clone();
        bytes[offset] ^= if offset % 2 == 0 { 0xff } else { 1 << (offset % 8) };
        let dir = copy(&[("state.db", &bytes), ("lock", b"state.db exists\n")]);
        match outcome(dir.path()).await {
            Ok(found) => assert_eq!(found, expected, "offset {offset}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "only {refused} flips were noticed");
}

#[tokio::test]
async fn a_flipped_byte_in_the_log_never_takes_commits_back_unnoticed() {
    let made = tempfile::tempdir().unwrap();
    let store = open(made.path());
    let mut states = Vec::new();
    for safe_seq in 1..6 {
        store.commit(full_commit(2, safe_seq)).await.unwrap();
        let state = store.load().await.unwrap();
        states.push(contents(&state, &reader(made.path()).dead_letters().unwrap()));
    }
    let (state, log) = (read(made.path(), "state.db"), read(made.path(), "state.db-wal"));
    let newest = states.last().unwrap();
    let before = &states[states.len() - 2];
    let (mut refused, mut torn) = (0, 0);
    for offset in offsets(log.len(), 32, 4096 + 24, 499) {
        let mut bytes = log.clone();
        bytes[offset] ^= 1 << (offset % 8);
        let dir = copy(&[("state.db", &state), ("state.db-wal", &bytes), ("lock", b"state.db exists\n")]);
        match outcome(dir.path()).await {
            Ok(found) if found == *before => torn += 1,
            Ok(found) => assert_eq!(found, *newest, "offset {offset}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > torn && torn > 0, "{refused} refused, {torn} taken for a torn last commit");
}

#[tokio::test]
async fn a_log_that_a_crash_has_torn_gives_the_last_whole_commit() {
    let made = tempfile::tempdir().unwrap();
    let store = open(made.path());
    let state = read(made.path(), "state.db");
    let mut states = vec![(0, contents(&store.load().await.unwrap(), &[]))];
    for safe_seq in 1..5 {
        store.commit(full_commit(2, safe_seq)).await.unwrap();
        let letters = reader(made.path()).dead_letters().unwrap();
        let length = read(made.path(), "state.db-wal").len();
        states.push((length, contents(&store.load().await.unwrap(), &letters)));
    }
    let log = read(made.path(), "state.db-wal");
    for length in (0..=log.len()).step_by(1009).chain([log.len()]) {
        let dir = copy(&[("state.db", &state), ("state.db-wal", &log[..length])]);
        let expected = &states.iter().rev().find(|(at, _)| *at <= length).unwrap().1;
        assert_eq!(&outcome(dir.path()).await.unwrap(), expected, "cut at {length} of {}", log.len());
    }
}

#[tokio::test]
async fn a_file_that_was_cut_off_emptied_or_replaced_is_refused() {
    let made = tempfile::tempdir().unwrap();
    let store = open(made.path());
    store.commit(full_commit(6, 1)).await.unwrap();
    drop(store);
    let state = read(made.path(), "state.db");
    for (bytes, expected) in [
        (&[][..], "empty"),
        (&state[..100], "cut off"),
        (&state[..4096], ""),
        (&state[..state.len() - 4096], ""),
        (&vec![b'x'; 9000], "not a database"),
    ] {
        let dir = copy(&[("state.db", bytes)]);
        assert_unreadable(dir.path(), expected);
        assert_eq!(read(dir.path(), "state.db").len(), bytes.len(), "nothing was written over it");
    }
}

#[tokio::test]
async fn a_file_that_vanished_is_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::remove_file(file(dir.path(), "state.db")).unwrap();
    assert_unreadable(dir.path(), "missing");
    let only_log = copy(&[("state.db-wal", b"some frames")]);
    assert_unreadable(only_log.path(), "missing");
}

#[tokio::test]
async fn a_start_that_was_interrupted_begins_again() {
    let dir =
        copy(&[("state.db.new", b"half a file"), ("state.db.new-journal", b"junk"), ("lock", b"pid 1\n")]);
    let store = open(dir.path());
    store.commit(full_commit(1, 1)).await.unwrap();
    assert_eq!(store.load().await.unwrap().partitions.len(), 1);
}

#[tokio::test]
async fn a_row_that_was_changed_or_removed_by_hand_is_refused() {
    for sql in [
        "UPDATE partitions SET safe_seq = safe_seq - 1 WHERE account = 'account-00001'",
        "DELETE FROM partitions WHERE account = 'account-00001'",
        "DELETE FROM positions",
        "DELETE FROM dead_letters WHERE seq = 1",
        "DELETE FROM memories WHERE key = 'count'",
        "UPDATE memories SET value = x'39' WHERE key = 'count'",
        "DELETE FROM head",
        "UPDATE head SET epoch = 1",
        "ALTER TABLE sinks ADD COLUMN extra TEXT",
        "UPDATE format SET version = 0",
    ] {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).commit(full_commit(2, 1)).await.unwrap();
        rusqlite::Connection::open(file(dir.path(), "state.db")).unwrap().execute(sql, []).unwrap();
        assert!(
            matches!(SqliteStore::open(dir.path(), PIPELINE), Err(OpenError::Unreadable { .. })),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_state_of_the_first_format_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let commit = Commit { memories: Vec::new(), ..full_commit(2, 1) };
    open(dir.path()).commit(commit).await.unwrap();
    let before = outcome(dir.path()).await.unwrap();
    let connection = rusqlite::Connection::open(file(dir.path(), "state.db")).unwrap();
    connection.execute_batch("DROP TABLE memories; UPDATE format SET version = 1").unwrap();
    drop(connection);
    let error = StateReader::open(dir.path(), PIPELINE).err().unwrap().to_string();
    assert!(error.contains("run its pipeline once"), "{error}");
    assert_eq!(outcome(dir.path()).await.unwrap(), before);
    assert!(StateReader::open(dir.path(), PIPELINE).is_ok());
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).commit(full_commit(2, 1)).await.unwrap();
    let connection = rusqlite::Connection::open(file(dir.path(), "state.db")).unwrap();
    connection.execute("UPDATE format SET version = 3", []).unwrap();
    connection.execute("ALTER TABLE sinks ADD COLUMN extra TEXT", []).unwrap();
    drop(connection);
    let before = read(dir.path(), "state.db");
    let error = SqliteStore::open(dir.path(), PIPELINE).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 3, known: 2, .. }), "{error}");
    assert!(matches!(StateReader::open(dir.path(), PIPELINE), Err(OpenError::Newer { .. })));
    assert_eq!(read(dir.path(), "state.db"), before);
}

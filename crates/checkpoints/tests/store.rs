//! What the store promises while nothing is broken: whole commits, the right merge, readers beside the writer.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use sluicebox_checkpoints::{MemoryStore, OpenError, SqliteStore, StateReader, pipelines};
use sluicebox_core::{
    CheckpointStore, Commit, Cursor, DeadLetter, ErrorClass, LetterPage, PartitionRecord, SinkRecord, State,
    Timestamp,
};
use support::{PIPELINE, full_commit, letter, open, partition, position, reader};

fn text(state: &State) -> String {
    format!("{state:?}")
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(text(&store.load().await.unwrap()), text(&State::default()));
    store.commit(full_commit(6, 1)).await.unwrap();
    drop(store);
    let state = open(dir.path()).load().await.unwrap();
    assert_eq!(state.epoch, 7);
    assert_eq!(state.partitions, (0..6).map(|account| partition(account, 1)).collect::<Vec<_>>());
    let archive = &state.sinks["archive"];
    assert_eq!(archive.mark.as_deref(), Some(br#"{"length":5}"#.as_slice()));
    assert_eq!(archive.positions, (0..6).map(|account| position(account, 1)).collect::<Vec<_>>());
    assert_eq!(state.sinks["warehouse"].mark, None);
    assert_eq!(state.memories.len(), 6);
    let keys: Vec<_> = state.memories.values().flat_map(|memory| memory.keys()).take(2).collect();
    assert_eq!(keys, ["count", "key-1"]);
}

#[tokio::test]
async fn a_moved_cursor_forgets_what_is_remembered_of_its_partition() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(full_commit(3, 1)).await.unwrap();
    store.set_cursor("feed", "account-00001", None, Timestamp::from_millis(0)).unwrap();
    let memories = store.load().await.unwrap().memories;
    let accounts: Vec<_> = memories.keys().map(|name| name.partition.as_str()).collect();
    assert_eq!(accounts, ["account-00000", "account-00002"]);
}

/// A letter of a page of the first partition.
fn paged(id: &str, safe_seq: u64) -> DeadLetter {
    let PartitionRecord { source, partition, .. } = partition(0, 1);
    let page = Some(LetterPage { source, partition, epoch: 7, safe_seq });
    DeadLetter { page, ..letter("judge", id, b"{}") }
}

#[tokio::test]
async fn both_stores_merge_commits_alike() {
    let dir = tempfile::tempdir().unwrap();
    let (sqlite, memory) = (open(dir.path()), MemoryStore::new());
    let marked =
        |mark: Option<&'static [u8]>, positions| SinkRecord { mark: mark.map(Bytes::from_static), positions };
    let commits = [
        full_commit(3, 1),
        full_commit(2, 2),
        Commit { sinks: vec![("archive".into(), marked(None, vec![position(9, 1)]))], ..Commit::default() },
        Commit { sinks: vec![("archive".into(), marked(Some(b"m2"), vec![]))], ..Commit::default() },
        Commit { sinks: vec![("new".into(), marked(None, vec![]))], epoch: Some(2), ..Commit::default() },
        Commit { dead_letters: vec![letter("rule", "opentrain:a:1", b"{}")], ..Commit::default() },
        Commit {
            partitions: vec![partition(0, 5), partition(0, 6)],
            sinks: vec![
                ("archive".into(), marked(Some(b"m3"), vec![position(0, 5)])),
                ("archive".into(), marked(None, vec![position(0, 6)])),
            ],
            ..Commit::default()
        },
        Commit { dead_letters: vec![paged("a", 7), paged("b", 6), paged("c", 8)], ..Commit::default() },
        Commit {
            taken_back: vec![paged("c", 8).key(), letter("rule", "never", b"{}").key()],
            dead_letters: vec![paged("d", 9)],
            ..Commit::default()
        },
    ];
    for commit in commits {
        sqlite.commit(commit.clone()).await.unwrap();
        memory.commit(commit).await.unwrap();
        assert_eq!(text(&sqlite.load().await.unwrap()), text(&memory.state()));
    }
    let stored = reader(dir.path()).dead_letters().unwrap();
    let stored: Vec<_> = stored.into_iter().map(|letter| format!("{:?}", letter.letter)).collect();
    let known: Vec<_> = memory.dead_letters().iter().map(|letter| format!("{letter:?}")).collect();
    assert_eq!(stored, known);
    assert_eq!(stored.len(), 7, "a second letter of one component for one event is dropped");
    let open = sqlite.load().await.unwrap().open_letters;
    let open: Vec<_> = open.iter().map(|(key, page)| (key.id.as_str(), page.safe_seq)).collect();
    assert_eq!(open, [("a", 7), ("d", 9)], "those beyond the position");
    sqlite.set_cursor("feed", "account-00000", None, Timestamp::from_millis(0)).unwrap();
    assert_eq!(sqlite.load().await.unwrap().open_letters, [], "a moved cursor leaves the letters alone");
}

#[tokio::test]
async fn five_thousand_partitions_are_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for safe_seq in 1..=2 {
        store.commit(full_commit(5000, safe_seq)).await.unwrap();
    }
    drop(store);
    let state = open(dir.path()).load().await.unwrap();
    assert_eq!(state.partitions.len(), 5000);
    assert!(state.partitions.iter().all(|record| record.safe_seq == 2));
    assert_eq!(state.sinks["archive"].positions.len(), 5000);
}

#[tokio::test]
async fn a_reader_sees_commits_of_a_running_store() {
    let dir = tempfile::tempdir().unwrap();
    assert!(StateReader::open(dir.path(), PIPELINE).unwrap().is_none());
    let store = open(dir.path());
    let reader = reader(dir.path());
    for safe_seq in 1..4 {
        store.commit(full_commit(2, safe_seq)).await.unwrap();
        let rows = reader.cursors().unwrap();
        assert_eq!(rows.iter().map(|row| row.safe_seq).collect::<Vec<_>>(), [safe_seq, safe_seq]);
    }
    let json = serde_json::to_value(&reader.cursors().unwrap()[1]).unwrap();
    assert_eq!(json["pipeline"], PIPELINE);
    assert_eq!(json["committed_at"], "2026-06-12T10:00:04.123Z");
    assert_eq!(json["paused"], serde_json::Value::Null);
    assert_eq!(pipelines(dir.path()), [PIPELINE]);
    assert!(pipelines(&dir.path().join("nowhere")).is_empty());
}

#[tokio::test]
async fn a_dead_letter_is_found_by_its_id_and_shows_the_fields_that_users_know() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(full_commit(1, 1)).await.unwrap();
    store.commit(full_commit(1, 2)).await.unwrap();
    let reader = reader(dir.path());
    let letters = reader.dead_letters().unwrap();
    let ids: Vec<_> = letters.iter().map(|letter| letter.id.clone()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(ids.iter().all(|id| id.len() == 14), "{ids:?}");
    let json = serde_json::to_string(&reader.dead_letter(&ids[2]).unwrap().unwrap()).unwrap();
    let expected = format!(
        r#"{{"id":"{}","time":"2026-06-12T10:00:06.000Z","pipeline":"orders","component":"rule","#,
        ids[2]
    );
    assert!(json.starts_with(&expected), "{json}");
    assert!(json.contains(r#""account":"account-00001","reason":"script","error":{"message":"#), "{json}");
    assert!(json.ends_with(r#","event":{"n": 1.10}}"#), "the event is whole and untouched: {json}");
    let broken = serde_json::to_value(&letters[1]).unwrap();
    assert_eq!(broken["event"], "not json");
    for unknown in ["", "x", "0000000000-0001", &ids[2][..13], "01k3x7q2m-zzzz"] {
        assert!(reader.dead_letter(unknown).unwrap().is_none(), "{unknown}");
    }
}

#[tokio::test]
async fn a_moved_cursor_outranks_what_sinks_remember() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(full_commit(3, 4)).await.unwrap();
    let now = Timestamp::from_millis(9_000);
    let moved = store.set_cursor("feed", "account-00002", Some(Cursor::from("x")), now).unwrap();
    assert_eq!(moved.before, Some(partition(2, 4)));
    let expected = PartitionRecord {
        epoch: 8,
        safe_seq: 5,
        cursor: Some(Bytes::from_static(b"x")),
        committed_at: now,
        paused: None,
        floor_epoch: 8,
        ..partition(2, 4)
    };
    assert_eq!(moved.after, expected);
    let state = store.load().await.unwrap();
    assert_eq!(state.epoch, 8);
    assert_eq!(state.partitions[2], expected);
    assert_eq!(state.sinks["archive"].positions, [position(0, 4), position(1, 4)]);
    assert!(state.sinks["archive"].mark.is_some());
    let moved = store.reset_cursor("feed", "nobody", now).unwrap();
    assert_eq!((moved.before, moved.after.cursor, moved.after.safe_seq), (None, None, 1));
    drop(store);
    assert_eq!(open(dir.path()).load().await.unwrap().epoch, 9);
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(full_commit(1, 1)).await.unwrap();
    let folder = dir.path().join(PIPELINE);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("state.db-wal")), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_state_that_is_taken_away_stops_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(full_commit(1, 1)).await.unwrap();
    std::fs::remove_file(dir.path().join(PIPELINE).join("lock")).unwrap();
    let thief = open(dir.path());
    thief.commit(full_commit(1, 2)).await.unwrap();
    assert_eq!(store.commit(full_commit(1, 3)).await.unwrap_err().class(), ErrorClass::Fenced);
    assert_eq!(thief.load().await.unwrap().partitions[0].safe_seq, 2);
    std::fs::rename(dir.path().join(PIPELINE), dir.path().join("moved")).unwrap();
    assert_eq!(thief.commit(full_commit(1, 4)).await.unwrap_err().class(), ErrorClass::State);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", "a/b", "/etc"] {
        assert!(matches!(SqliteStore::open(dir.path(), name), Err(OpenError::Io { .. })), "{name}");
        assert!(StateReader::open(dir.path(), name).is_err(), "{name}");
    }
}

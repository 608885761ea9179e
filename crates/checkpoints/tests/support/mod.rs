//! Records to store and states to compare, shared by the tests of the store.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use sluicebox_checkpoints::{SqliteStore, StateReader};
use sluicebox_core::{
    Commit, DeadLetter, DeadLetterError, MemoryName, Meta, PartitionRecord, Position, Reason, Remembered,
    SinkRecord, State, Timestamp,
};
use smol_str::SmolStr;

pub(crate) const PIPELINE: &str = "orders";

pub(crate) fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, PIPELINE).unwrap()
}

pub(crate) fn reader(dir: &Path) -> StateReader {
    StateReader::open(dir, PIPELINE).unwrap().unwrap()
}

pub(crate) fn partition(account: usize, safe_seq: u64) -> PartitionRecord {
    PartitionRecord {
        source: "feed".into(),
        partition: format!("account-{account:05}").into(),
        epoch: 3,
        safe_seq,
        cursor: Some(Bytes::from(format!("\u{0}cursor {account} {safe_seq} \u{ff}").into_bytes())),
        committed_at: Timestamp::from_millis(1_781_258_404_120 + safe_seq.cast_signed()),
        newest_event: (account != 1).then(|| Timestamp::from_millis(-5)),
        paused: (account == 2).then(|| "auth".into()),
        floor_epoch: 1,
    }
}

pub(crate) fn position(account: usize, safe_seq: u64) -> Position {
    Position {
        source: "feed".into(),
        partition: format!("account-{account:05}").into(),
        epoch: u64::MAX,
        safe_seq,
        safe_cursor: (account != 0).then(|| Bytes::from_static(b"\xff\x00")),
        ahead: (0..account % 5).map(|index| format!("opentrain:a:\"{index}\n").into()).collect(),
    }
}

pub(crate) fn meta(id: &str) -> Meta {
    Meta {
        event_type: "payment.created".into(),
        time: Timestamp::from_millis(1_781_258_404_120),
        key: "k".into(),
        received: Timestamp::from_millis(1_781_258_405_000),
        ..Meta::new("feed", "account-00001", id)
    }
}

pub(crate) fn letter(component: &str, id: &str, event: &'static [u8]) -> DeadLetter {
    DeadLetter {
        time: Timestamp::from_millis(1_781_258_406_000),
        component: component.into(),
        reason: Reason::Script,
        error: DeadLetterError { line: Some(3), ..DeadLetterError::new("no such field") },
        attempts: 2,
        meta: meta(id),
        event: Bytes::from_static(event),
        page: None,
    }
}

/// What a transform remembers of an account: a key of its own for each position, and forgets that of the one before.
pub(crate) fn memory(account: usize, safe_seq: u64) -> (MemoryName, BTreeMap<SmolStr, Option<Remembered>>) {
    let partition = partition(account, safe_seq);
    let name =
        MemoryName { source: partition.source, partition: partition.partition, component: "once".into() };
    let entry =
        |value: u64, until| Remembered { value: Bytes::from(value.to_string()), until, written: safe_seq };
    let entries = BTreeMap::from([
        ("count".into(), Some(entry(safe_seq, None))),
        (format!("key-{safe_seq}").into(), Some(entry(1, Some(Timestamp::from_millis(-5))))),
        (format!("key-{}", safe_seq.wrapping_sub(1)).into(), None),
    ]);
    (name, entries)
}

/// A commit that touches every table.
pub(crate) fn full_commit(accounts: usize, safe_seq: u64) -> Commit {
    let positions = (0..accounts).map(|account| position(account, safe_seq)).collect();
    Commit {
        epoch: Some(7),
        partitions: (0..accounts).map(|account| partition(account, safe_seq)).collect(),
        sinks: vec![
            ("archive".into(), SinkRecord { mark: Some(Bytes::from_static(b"{\"length\":5}")), positions }),
            ("warehouse".into(), SinkRecord { mark: None, positions: vec![position(3, safe_seq)] }),
        ],
        taken_back: Vec::new(),
        dead_letters: vec![
            letter("rule", &format!("opentrain:a:{safe_seq}"), br#"{"n": 1.10}"#),
            letter("warehouse", &format!("opentrain:a:{safe_seq}"), b"not json"),
        ],
        memories: (0..accounts).map(|account| memory(account, safe_seq)).collect(),
    }
}

/// Everything that a state holds, for comparing.
pub(crate) fn contents(state: &State, letters: &[sluicebox_checkpoints::StoredDeadLetter]) -> String {
    let letters: Vec<_> = letters.iter().map(|letter| serde_json::to_string(letter).unwrap()).collect();
    format!("{state:?}\n{}", letters.join("\n"))
}

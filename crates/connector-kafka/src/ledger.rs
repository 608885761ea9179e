//! What the destination remembers beside the records: who owns it, how far it is, and its dead letters.
//!
//! Positions and owners are records of one compacted topic, so the last record of a key is the truth. Keys are JSON
//! lists: `[pipeline, sink]` for the owner, `[pipeline, sink, source, partition]` for a position. Any number of pipelines
//! may share the topic.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluicebox_core::{DeadLetter, Error, ErrorClass, Position, Result, Shard};
use smol_str::SmolStr;

/// The value of an owner's record.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    epoch: u64,
    transactional_id: String,
}

/// The value of a position's record.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    epoch: u64,
    safe_seq: u64,
    /// Where the cursor is text, as nearly all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    safe_cursor: Option<String>,
    /// Where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    safe_cursor_bytes: Option<Vec<u8>>,
    ahead: Vec<SmolStr>,
}

/// What the position topic says of one pipeline and sink.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The beginning of all keys of the pipeline and sink, without the `]`.
    prefix: String,
    /// The last value of each key.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Ledger {
    /// Nothing is known yet.
    pub(crate) fn new(shard: &Shard) -> Self {
        let mut prefix = json(&[&shard.pipeline, &shard.sink]);
        prefix.pop();
        Self { prefix, values: BTreeMap::new() }
    }

    /// Takes note of a record; later ones of a key replace earlier ones, one without a value removes the key.
    pub(crate) fn note(&mut self, key: &[u8], value: Option<&[u8]>) {
        let ours = key.strip_prefix(self.prefix.as_bytes());
        if !ours.is_some_and(|rest| matches!(rest.first(), Some(b']' | b','))) {
            return;
        }
        match value {
            Some(value) => drop(self.values.insert(key.to_owned(), value.to_owned())),
            None => drop(self.values.remove(key)),
        }
    }

    /// The epoch that owns the pipeline and sink; `None` before the first owner.
    ///
    /// # Errors
    /// `State` if the record is not ours to read.
    pub(crate) fn owner(&self) -> Result<Option<u64>> {
        let value = self.values.get(self.owner_key().as_bytes());
        value.map(|value| parse::<Owner>(value, "owner").map(|owner| owner.epoch)).transpose()
    }

    /// The position of every partition.
    ///
    /// # Errors
    /// `State` if a record is not ours to read.
    pub(crate) fn positions(&self) -> Result<Vec<Position>> {
        let positions = self.values.iter().filter(|(key, _)| key.len() > self.owner_key().len());
        positions.map(|(key, value)| position(key, value)).collect()
    }

    /// Whether there is nothing of the pipeline and sink.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn owner_key(&self) -> String {
        format!("{}]", self.prefix)
    }
}

/// Key and value of a record of ours.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Bytes,
}

impl Entry {
    /// The record by which an epoch takes over.
    pub(crate) fn owner(shard: &Shard, transactional_id: &str) -> Self {
        let owner = Owner { epoch: shard.epoch, transactional_id: transactional_id.to_owned() };
        Self { key: json(&[&shard.pipeline, &shard.sink]), value: json(&owner).into() }
    }

    /// The record of a position.
    pub(crate) fn position(shard: &Shard, position: &Position) -> Self {
        let text = position.safe_cursor.as_deref().map(std::str::from_utf8);
        let stored = Stored {
            epoch: position.epoch,
            safe_seq: position.safe_seq,
            safe_cursor: text.and_then(Result::ok).map(str::to_owned),
            safe_cursor_bytes: match text {
                Some(Err(_)) => position.safe_cursor.as_ref().map(|cursor| cursor.to_vec()),
                _ => None,
            },
            ahead: position.ahead.clone(),
        };
        let key = json(&[&shard.pipeline, &shard.sink, &position.source, &position.partition]);
        Self { key, value: json(&stored).into() }
    }

    /// The record of a dead letter, as people and other sinks see it.
    pub(crate) fn dead_letter(shard: &Shard, letter: &DeadLetter) -> Self {
        let id = letter.meta.id.as_str();
        let key = json(&[shard.pipeline.as_str(), letter.component.as_str(), id]);
        Self { key, value: json(&letter.named(id, &shard.pipeline)).into() }
    }
}

fn position(key: &[u8], value: &[u8]) -> Result<Position> {
    let [_, _, source, partition]: [SmolStr; 4] = parse(key, "key of a position")?;
    let stored: Stored = parse(value, "position")?;
    let bytes = stored.safe_cursor_bytes.map(Bytes::from);
    Ok(Position {
        source,
        partition,
        epoch: stored.epoch,
        safe_seq: stored.safe_seq,
        safe_cursor: stored.safe_cursor.map(Bytes::from).or(bytes),
        ahead: stored.ahead,
    })
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorClass::State, format!("the position topic holds an {what} that cannot be read"))
            .with_help("it was written by something else, or by a newer version")
            .with_cause(error)
    })
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists of them have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_events::event;
    use sluicebox_core::{DeadLetterError, Reason, Timestamp};

    fn shard(sink: &str) -> Shard {
        Shard { pipeline: "orders \"x\"".into(), sink: sink.into(), epoch: 4 }
    }

    fn at(partition: &str, seq: u64, cursor: Option<&'static [u8]>) -> Position {
        Position {
            source: "feed".into(),
            partition: partition.into(),
            epoch: 4,
            safe_seq: seq,
            safe_cursor: cursor.map(Bytes::from_static),
            ahead: vec!["feed:a:7".into()],
        }
    }

    fn note(ledger: &mut Ledger, entry: &Entry) {
        ledger.note(entry.key.as_bytes(), Some(&entry.value));
    }

    #[test]
    fn the_last_record_of_a_key_is_the_truth() {
        let mut ledger = Ledger::new(&shard("out"));
        assert_eq!((ledger.owner().unwrap(), ledger.positions().unwrap()), (None, vec![]));
        note(&mut ledger, &Entry::owner(&shard("out"), "t"));
        note(&mut ledger, &Entry::owner(&Shard { epoch: 9, ..shard("out2") }, "t"));
        let positions = [at("a", 2, Some(b"\xff\x00")), at("b", 3, None), at("c]", 1, Some(b"12"))];
        note(&mut ledger, &Entry::position(&shard("out"), &at("a", 1, Some(b"old"))));
        for position in &positions {
            note(&mut ledger, &Entry::position(&shard("out"), position));
            note(&mut ledger, &Entry::position(&shard("other"), &at("a", 99, None)));
        }
        assert_eq!(ledger.owner().unwrap(), Some(4));
        let mut read = ledger.positions().unwrap();
        read.sort_by_key(|position| position.partition.clone());
        assert_eq!(read, positions);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let mut ledger = Ledger::new(&shard("out"));
        let entry = Entry::position(&shard("out"), &at("a", 1, None));
        ledger.note(entry.key.as_bytes(), Some(b"{}"));
        assert_eq!(ledger.positions().unwrap_err().class(), ErrorClass::State);
        ledger.note(entry.key.as_bytes(), None);
        assert!(ledger.positions().unwrap().is_empty());
    }

    #[test]
    fn a_dead_letter_keeps_the_event_as_it_was() {
        let error = DeadLetterError::new("too large");
        let time = Timestamp::from_millis(0);
        let letter = DeadLetter::new("out", &event(1, r#"{"n": 1.10}"#), Reason::TooLarge, error, time);
        let entry = Entry::dead_letter(&shard("out"), &letter);
        assert!(entry.value.ends_with(br#","event":{"n": 1.10}}"#), "{:?}", entry.value);
        assert_eq!(entry.key, r#"["orders \"x\"","out","opentrain:a:1"]"#);
    }
}

//! What the destination remembers beside the records: who owns it, how far it is, and its dead letters.
//!
//! Positions and owners are records of one compacted topic, so the last record of a key is the truth. Keys are JSON
//! lists: `[pipeline, sink]` for the owner, `[pipeline, sink, source, partition]` for a position. Any number of pipelines
//! may share the topic.
//!
//! A record has a greatest size, and a position names every event that is committed beyond its cursor. Names that find no
//! room go into further records, `[pipeline, sink, source, partition, "1"]` and so on, which the position counts. They are
//! written in its transaction; one that it no longer counts is left over from an earlier position.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluicebox_core::{DeadLetter, Error, ErrorClass, NamedDeadLetter, Position, Result, Shard};
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
    /// Further records that hold the rest of `ahead`.
    #[serde(default)]
    more: usize,
}

/// A dead letter whose event is larger than a record may be.
#[derive(Serialize)]
struct WithoutEvent<'a> {
    #[serde(flatten)]
    letter: NamedDeadLetter<'a>,
    note: String,
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
        let mut positions = Vec::new();
        for (key, value) in self.values.iter().filter(|(key, _)| key.len() > self.owner_key().len()) {
            if parse::<[SmolStr; 5]>(key, "key of a position").is_err() {
                positions.push(self.position(key, value)?);
            }
        }
        Ok(positions)
    }

    fn position(&self, key: &[u8], value: &[u8]) -> Result<Position> {
        let [_, _, source, partition]: [SmolStr; 4] = parse(key, "key of a position")?;
        let mut stored: Stored = parse(value, "position")?;
        for number in 1..=stored.more {
            let further = self.values.get(further_key(&String::from_utf8_lossy(key), number).as_bytes());
            let further: Vec<SmolStr> = parse(further.map_or(&[], Vec::as_slice), "part of a position")?;
            stored.ahead.extend(further);
        }
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

    /// The records of a position, none of them larger than `limit` unless the cursor is.
    pub(crate) fn position(shard: &Shard, position: &Position, limit: usize) -> Vec<Self> {
        let key = json(&[&shard.pipeline, &shard.sink, &position.source, &position.partition]);
        let text = position.safe_cursor.as_deref().map(std::str::from_utf8);
        let mut stored = Stored {
            epoch: position.epoch,
            safe_seq: position.safe_seq,
            safe_cursor: text.and_then(Result::ok).map(str::to_owned),
            safe_cursor_bytes: match text {
                Some(Err(_)) => position.safe_cursor.as_ref().map(|cursor| cursor.to_vec()),
                _ => None,
            },
            ahead: Vec::new(),
            more: usize::MAX,
        };
        let taken = key.len() + json(&stored).len();
        let first = limit.saturating_sub(taken);
        let mut parts = parts(&position.ahead, first, limit.saturating_sub(key.len() + 32)).into_iter();
        stored.ahead = parts.next().unwrap_or_default().to_vec();
        let further = |(part, number)| Self { key: further_key(&key, number), value: json(part).into() };
        let mut entries: Vec<Self> = parts.zip(1..).map(further).collect();
        stored.more = entries.len();
        entries.push(Self { key, value: json(&stored).into() });
        entries
    }

    /// The record of a dead letter, as people and other sinks see it; without its event if the record would be larger
    /// than `limit`, and `None` if that is not enough. The state of the pipeline holds the letter in any case.
    pub(crate) fn dead_letter(shard: &Shard, letter: &DeadLetter, limit: usize) -> Option<Self> {
        let id = letter.meta.id.as_str();
        let key = json(&[shard.pipeline.as_str(), letter.component.as_str(), id]);
        let mut value = json(&letter.named(id, &shard.pipeline));
        if key.len() + value.len() > limit {
            let size = letter.event.len();
            let note =
                format!("the event has {size} bytes, more than a record may have: see `sluicebox dlq show`");
            let bare = DeadLetter { event: Bytes::from_static(b"null"), ..letter.clone() };
            value = json(&WithoutEvent { letter: bare.named(id, &shard.pipeline), note });
        }
        (key.len() + value.len() <= limit).then(|| Self { key, value: value.into() })
    }
}

fn further_key(key: &str, number: usize) -> String {
    format!("{},\"{number}\"]", key.strip_suffix(']').unwrap_or(key))
}

/// Cuts a list of ids so that the first piece has at most `first` bytes as JSON and the others `other`. The first may be
/// empty; a single id is never cut.
fn parts(ids: &[SmolStr], first: usize, other: usize) -> Vec<&[SmolStr]> {
    let mut parts = Vec::new();
    let (mut from, mut room) = (0, first);
    for (at, id) in ids.iter().enumerate() {
        let size = json(id.as_str()).len() + 1;
        if size > room && (parts.is_empty() || at > from) {
            parts.push(&ids[from..at]);
            (from, room) = (at, other);
        }
        room = room.saturating_sub(size);
    }
    parts.push(&ids[from..]);
    parts
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

    fn put(ledger: &mut Ledger, sink: &str, position: &Position, limit: usize) {
        for entry in Entry::position(&shard(sink), position, limit) {
            assert!(entry.key.len() + entry.value.len() <= limit, "{}", entry.key);
            note(ledger, &entry);
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
        put(&mut ledger, "out", &at("a", 1, Some(b"old")), 1000);
        for position in &positions {
            put(&mut ledger, "out", position, 1000);
            put(&mut ledger, "other", &at("a", 99, None), 1000);
        }
        assert_eq!(ledger.owner().unwrap(), Some(4));
        let mut read = ledger.positions().unwrap();
        read.sort_by_key(|position| position.partition.clone());
        assert_eq!(read, positions);
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        let mut ledger = Ledger::new(&shard("out"));
        let entry = &Entry::position(&shard("out"), &at("a", 1, None), 1000)[0];
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
        let entry = Entry::dead_letter(&shard("out"), &letter, 1000).unwrap();
        assert!(entry.value.ends_with(br#","event":{"n": 1.10}}"#), "{:?}", entry.value);
        assert_eq!(entry.key, r#"["orders \"x\"","out","opentrain:a:1"]"#);

        // One that is larger than a record may be is told of without its event.
        let letter = DeadLetter { event: Bytes::from(vec![b'1'; 2000]), ..letter };
        let entry = Entry::dead_letter(&shard("out"), &letter, 1000).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
        assert_eq!((&value["event"], &value["reason"]), (&serde_json::Value::Null, &"too_large".into()));
        assert!(value["note"].as_str().unwrap().starts_with("the event has 2000 bytes"), "{value}");
        assert!(Entry::dead_letter(&shard("out"), &letter, 300).is_none());
    }

    #[test]
    fn a_position_that_names_many_events_is_several_records() {
        let ids = |count: usize| (0..count).map(|id| SmolStr::from(format!("feed:\"a\":{id}"))).collect();
        let mut ledger = Ledger::new(&shard("out"));
        for count in [5000, 0, 60, 1, 7] {
            let position = Position { ahead: ids(count), ..at("a", 2, Some(b"12")) };
            put(&mut ledger, "out", &position, 1000);
            assert_eq!(ledger.positions().unwrap(), [position]);
        }
        let position = Position { ahead: ids(60), ..at("a", 2, None) };
        let entries = Entry::position(&shard("out"), &position, 1000);
        assert!(entries.len() > 1);
        let mut ledger = Ledger::new(&shard("out"));
        entries[1..].iter().for_each(|entry| note(&mut ledger, entry));
        assert_eq!(ledger.positions().unwrap_err().class(), ErrorClass::State, "a part is missing");
    }
}

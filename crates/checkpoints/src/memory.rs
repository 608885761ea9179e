//! A store that forgets: for tests of whatever commits to one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sluicebox_core::{
    CheckpointStore, Commit, DeadLetter, LetterKey, LetterPage, MemoryName, PartitionRecord, Position,
    Remembered, Result, SinkRecord, State,
};
use smol_str::SmolStr;

/// State in memory, with the semantics of [`SqliteStore`](crate::SqliteStore). Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

type Key = (SmolStr, SmolStr);

#[derive(Default)]
struct Inner {
    epoch: u64,
    commits: u64,
    partitions: BTreeMap<Key, PartitionRecord>,
    sinks: BTreeMap<SmolStr, SinkRecord>,
    dead_letters: Vec<DeadLetter>,
    memories: BTreeMap<MemoryName, BTreeMap<SmolStr, Remembered>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is stored.
    pub fn state(&self) -> State {
        let inner = self.lock();
        State {
            epoch: inner.epoch,
            partitions: inner.partitions.values().cloned().collect(),
            sinks: inner.sinks.clone(),
            open_letters: inner.open_letters(),
            memories: inner.memories.clone(),
        }
    }

    /// The dead letters in the order in which they came.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.lock().dead_letters.clone()
    }

    /// How many commits there were.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open_letters(&self) -> Vec<(LetterKey, LetterPage)> {
        let is_open = |page: &LetterPage| {
            let record = self.partitions.get(&(page.source.clone(), page.partition.clone()));
            let (safe_seq, floor) = record.map_or((0, 0), |record| (record.safe_seq, record.floor_epoch));
            page.safe_seq > safe_seq && page.epoch >= floor
        };
        let paged = self.dead_letters.iter().filter_map(|letter| Some((letter.key(), letter.page.clone()?)));
        paged.filter(|(_, page)| is_open(page)).collect()
    }

    fn put_position(record: &mut SinkRecord, position: Position) {
        let key = |position: &Position| (position.source.clone(), position.partition.clone());
        match record.positions.binary_search_by_key(&key(&position), key) {
            Ok(at) => record.positions[at] = position,
            Err(at) => record.positions.insert(at, position),
        }
    }
}

#[async_trait]
impl CheckpointStore for MemoryStore {
    async fn load(&self) -> Result<State> {
        Ok(self.state())
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        let mut inner = self.lock();
        inner.commits += 1;
        inner.epoch = commit.epoch.unwrap_or_default().max(inner.epoch);
        for record in commit.partitions {
            inner.partitions.insert((record.source.clone(), record.partition.clone()), record);
        }
        for (name, new) in commit.sinks {
            let record = inner.sinks.entry(name).or_default();
            record.mark = new.mark.or(record.mark.take());
            new.positions.into_iter().for_each(|position| Inner::put_position(record, position));
        }
        inner.dead_letters.retain(|letter| !commit.taken_back.contains(&letter.key()));
        for letter in commit.dead_letters {
            let same = |known: &DeadLetter| known.key() == letter.key();
            if letter.meta.replay.is_some() {
                inner.dead_letters.retain(|known| !same(known));
            }
            if !inner.dead_letters.iter().any(same) {
                inner.dead_letters.push(letter);
            }
        }
        for (name, entries) in commit.memories {
            let memory = inner.memories.entry(name).or_default();
            for (key, entry) in entries {
                match entry {
                    Some(entry) => memory.insert(key, entry),
                    None => memory.remove(&key),
                };
            }
        }
        inner.memories.retain(|_, memory| !memory.is_empty());
        Ok(())
    }
}

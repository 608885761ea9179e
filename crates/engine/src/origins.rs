//! What was found at start, in the checkpoint and in the destinations: where a partition begins, whether it is known
//! then or comes later.

use std::collections::HashMap;

use sluicebox_core::{LetterKey, LetterPage, PartitionRecord, Position, State, Timestamp};
use smol_str::SmolStr;

use crate::memories::Memories;

/// Why a partition waits whose memory was lost.
pub(crate) const MEMORY_LOST: &str = "memory";

/// Source and account.
pub(crate) type PartitionName = (SmolStr, SmolStr);

/// The state as it was loaded, and the positions that each sink holds itself, by the sink's index.
pub(crate) struct Origins {
    pub(crate) state: State,
    pub(crate) held: Vec<Vec<Position>>,
    /// Names of the sinks, by their index.
    pub(crate) sinks: Vec<SmolStr>,
}

impl Origins {
    /// Where a partition starts: the highest safe position found, in the checkpoint or in a destination. Positions
    /// from before a person moved the cursor no longer count.
    pub(crate) fn start_of(&self, name: &PartitionName) -> PartitionRecord {
        let mut stored = self.state.partitions.iter();
        let stored = stored.find(|record| (&record.source, &record.partition) == (&name.0, &name.1));
        let mut best = stored.cloned().unwrap_or_else(|| PartitionRecord {
            source: name.0.clone(),
            partition: name.1.clone(),
            epoch: 0,
            safe_seq: 0,
            cursor: None,
            committed_at: Timestamp::default(),
            newest_event: None,
            paused: None,
            floor_epoch: 0,
        });
        for position in self.held_of(name, best.floor_epoch).values() {
            if position.safe_seq > best.safe_seq {
                best.safe_seq = position.safe_seq;
                best.cursor.clone_from(&position.safe_cursor);
            }
        }
        best
    }

    /// What each sink holds of a partition, by the sink's index.
    pub(crate) fn held_of(&self, name: &PartitionName, floor_epoch: u64) -> HashMap<usize, &Position> {
        let mut found = HashMap::new();
        for (index, positions) in self.held.iter().enumerate() {
            let own = positions
                .iter()
                .find(|position| (&position.source, &position.partition) == (&name.0, &name.1));
            found.extend(own.filter(|position| position.epoch >= floor_epoch).map(|own| (index, own)));
        }
        found
    }

    /// Dead letters whose events come again when a partition starts here. What a sink has refused for good and remembers
    /// beside its position is not tried again: such a letter stays.
    pub(crate) fn letters_again(&self, start: &PartitionRecord) -> Vec<LetterKey> {
        let name = (start.source.clone(), start.partition.clone());
        let held = self.held_of(&name, start.floor_epoch);
        let has_refused = |key: &LetterKey| {
            let index = self.sinks.iter().position(|sink| *sink == key.component);
            let position = index.and_then(|index| held.get(&index));
            position.is_some_and(|position| position.ahead.contains(&key.id))
        };
        let comes_again = |key: &LetterKey, page: &LetterPage| {
            (&page.source, &page.partition) == (&name.0, &name.1)
                && page.safe_seq > start.safe_seq
                && !has_refused(key)
        };
        let letters = self.state.open_letters.iter().filter(|(key, page)| comes_again(key, page));
        letters.map(|(key, _)| key.clone()).collect()
    }

    /// What transforms remember of a partition.
    pub(crate) fn memories_of(&self, (source, partition): &PartitionName) -> Memories {
        let own = self.state.memories.iter();
        let own = own.filter(|(name, _)| (&name.source, &name.partition) == (source, partition));
        Memories::restored(own.map(|(name, entries)| (name.component.clone(), entries.clone())))
    }

    /// Partitions of which a sink knows more than the state: the state was lost or put back from a backup, and what
    /// transforms remembered is not that of the sink's position. They stay so until a person has chosen.
    pub(crate) fn without_memory(&self, names: &[PartitionName]) -> Vec<PartitionRecord> {
        let starts = names.iter().map(|name| self.start_of(name));
        starts.filter(|start| start.safe_seq > 0 && !self.knows_memory_of(start)).collect()
    }

    fn knows_memory_of(&self, start: &PartitionRecord) -> bool {
        let (source, partition) = (&start.source, &start.partition);
        let mut records = self.state.partitions.iter();
        let record = records.find(|record| (&record.source, &record.partition) == (source, partition));
        let remembers = || {
            let mut names = self.state.memories.keys();
            names.any(|name| (&name.source, &name.partition) == (source, partition))
        };
        record.is_some_and(|record| {
            let is_behind = record.safe_seq < start.safe_seq;
            record.paused.as_deref() != Some(MEMORY_LOST) && !(is_behind && remembers())
        })
    }

    /// The partitions of a source that were known before this start.
    pub(crate) fn known_of(&self, source: &SmolStr) -> Vec<PartitionName> {
        let records = self.state.partitions.iter().filter(|record| record.source == *source);
        records.map(|record| (record.source.clone(), record.partition.clone())).collect()
    }
}

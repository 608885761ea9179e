//! What the transforms on the way of one partition remember, and which page changed what.
//!
//! Their memory runs ahead of the saved cursor, as pages do; what a page changed is kept beside it until a commit has
//! saved it together with the cursor after that page. Invariant: what is saved is the memory exactly as it was after the
//! last page that the saved cursor has passed.

use std::collections::BTreeMap;

use sluicebox_core::{Error, Event, Memory, MemoryChange, Outputs, Remembered, StatefulTransform};
use smol_str::SmolStr;

/// New entries of one memory by key; `None`: forgotten.
pub(crate) type Entries = BTreeMap<SmolStr, Option<Remembered>>;

/// The memories of one partition.
#[derive(Default)]
pub(crate) struct Memories {
    /// As they were saved, of transforms that have not seen an event yet.
    restored: BTreeMap<SmolStr, BTreeMap<SmolStr, Remembered>>,
    /// By transform.
    live: BTreeMap<SmolStr, Memory>,
    /// What each slot beyond the saved position changed, in order.
    slots: BTreeMap<u64, Vec<(SmolStr, Vec<MemoryChange>)>>,
}

impl Memories {
    /// As they were saved, by transform.
    pub(crate) fn restored(saved: impl Iterator<Item = (SmolStr, BTreeMap<SmolStr, Remembered>)>) -> Self {
        Self { restored: saved.collect(), ..Self::default() }
    }

    /// Runs a transform over a batch of a slot; if it fails, it remembers nothing of the batch.
    pub(crate) fn apply(
        &mut self,
        (component, slot): (&SmolStr, u64),
        transform: &dyn StatefulTransform,
        batch: Vec<Event>,
        out: &mut Outputs,
    ) -> Result<(), Error> {
        let restored = &mut self.restored;
        let memory = self.live.entry(component.clone()).or_insert_with(|| {
            Memory::restored(transform.max_entries(), restored.remove(component).unwrap_or_default())
        });
        let result = transform.apply(batch, memory, out);
        let changes = memory.take_changes();
        if result.is_err() {
            memory.undo(changes);
        } else if !changes.is_empty() {
            self.slots.entry(slot).or_default().push((component.clone(), changes));
        }
        result
    }

    /// How many things each transform remembers.
    pub(crate) fn sizes(&self) -> Vec<(SmolStr, usize)> {
        let restored = self.restored.iter();
        let restored =
            restored.map(|(name, saved)| (name, saved.keys().filter(|key| !key.is_empty()).count()));
        let memories = self.live.iter().map(|(name, memory)| (name, memory.len()));
        restored.chain(memories).map(|(name, size)| (name.clone(), size)).collect()
    }

    /// What has changed since the saved position, up to a slot.
    pub(crate) fn up_to(&self, slot: u64) -> BTreeMap<SmolStr, Entries> {
        let mut entries: BTreeMap<SmolStr, Entries> = BTreeMap::new();
        for (component, changes) in self.slots.range(..=slot).flat_map(|(_, changes)| changes) {
            let after = changes.iter().map(|change| (change.key.clone(), change.after.clone()));
            entries.entry(component.clone()).or_default().extend(after);
        }
        entries
    }

    /// Everything up to a slot is saved.
    pub(crate) fn made_durable(&mut self, slot: u64) {
        self.slots = self.slots.split_off(&(slot + 1));
    }

    /// Every page beyond a slot comes again: what they changed is taken back.
    pub(crate) fn rewind(&mut self, slot: u64) {
        let undone = self.slots.split_off(&(slot + 1));
        for (component, changes) in undone.into_values().rev().flat_map(|changes| changes.into_iter().rev()) {
            if let Some(memory) = self.live.get_mut(&component) {
                memory.undo(changes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sluicebox_core::Meta;

    use super::*;

    /// Counts its events.
    struct Counter;

    impl StatefulTransform for Counter {
        fn max_entries(&self) -> usize {
            10
        }

        fn apply(&self, batch: Vec<Event>, memory: &mut Memory, _: &mut Outputs) -> Result<(), Error> {
            let count = memory.get("count").map_or(0, |count| count[0]);
            memory.put("count", vec![count + u8::try_from(batch.len()).unwrap()], None);
            Ok(())
        }
    }

    fn page(memories: &mut Memories, slot: u64) {
        let event = Event::from_validated("{}".into(), Meta::new("feed", "a", "1"));
        memories.apply((&"counter".into(), slot), &Counter, vec![event], &mut Outputs::new()).unwrap();
    }

    fn saved(memories: &Memories, slot: u64) -> Option<u8> {
        let entries = memories.up_to(slot).remove("counter")?;
        entries["count"].as_ref().map(|entry| entry.value[0])
    }

    #[test]
    fn what_is_saved_is_the_memory_after_the_last_page_that_is_safe() {
        let mut memories = Memories::default();
        (1..=4).for_each(|slot| page(&mut memories, slot));
        assert_eq!([0, 1, 3, 9].map(|slot| saved(&memories, slot)), [None, Some(1), Some(3), Some(4)]);
        memories.made_durable(3);
        assert_eq!([3, 4].map(|slot| saved(&memories, slot)), [None, Some(4)]);
    }

    #[test]
    fn what_was_saved_is_counted_before_its_transform_has_seen_an_event() {
        let saved = |key: &str| {
            (SmolStr::from(key), Remembered { value: vec![0; 8].into(), until: None, written: 1 })
        };
        let saved = BTreeMap::from([saved(""), saved("a"), saved("b")]);
        let mut memories = Memories::restored([("counter".into(), saved)].into_iter());
        assert_eq!(memories.sizes(), [("counter".into(), 2)], "the time is none of it");
        page(&mut memories, 1);
        assert_eq!(memories.sizes(), [("counter".into(), 3)]);
    }

    #[test]
    fn pages_that_come_again_are_not_remembered_twice() {
        let mut memories = Memories::default();
        (1..=4).for_each(|slot| page(&mut memories, slot));
        memories.made_durable(1);
        memories.rewind(2);
        assert_eq!(saved(&memories, 9), Some(2), "what is safe and not saved yet stays");
        (5..=6).for_each(|slot| page(&mut memories, slot));
        assert_eq!(saved(&memories, 9), Some(4));
    }
}

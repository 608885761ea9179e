//! What the transforms on the way of a partition remember, kept in step with its pages.

use sluicebox_core::{Error, Event, MemoryName, Outputs, StatefulTransform};
use smol_str::SmolStr;

use super::Partition;
use crate::memories::Entries;

impl Partition {
    /// Runs a stateful transform over a batch of a page in flight. `None` if the page is not in flight any more, because
    /// the partition started over: then nothing is remembered of it.
    pub(crate) fn remember(
        &self,
        (component, slot): (&SmolStr, u64),
        transform: &dyn StatefulTransform,
        batch: Vec<Event>,
        out: &mut Outputs,
    ) -> Option<Result<(), Error>> {
        let mut memories = self.memories.as_ref()?.lock();
        if !self.inner.lock().flights.contains_key(&slot) {
            return None;
        }
        Some(memories.apply((component, slot), transform, batch, out))
    }

    /// What is remembered since the saved position, up to a slot.
    pub(crate) fn memories_up_to(&self, slot: u64) -> Vec<(MemoryName, Entries)> {
        let Some(memories) = &self.memories else { return Vec::new() };
        let (source, partition) = (&self.source, &self.account);
        let name = |component| MemoryName { source: source.clone(), partition: partition.clone(), component };
        let changes = memories.lock().up_to(slot).into_iter();
        changes.map(|(component, entries)| (name(component), entries)).collect()
    }

    /// How many things each transform remembers of it.
    pub(crate) fn remembered(&self) -> Vec<(SmolStr, usize)> {
        self.memories.as_ref().map_or_else(Vec::new, |memories| memories.lock().sizes())
    }
}

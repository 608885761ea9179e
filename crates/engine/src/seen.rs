//! The newest ids of a partition: a page that the upstream repeats is recognised by them.

use std::collections::{HashSet, VecDeque};

use smol_str::SmolStr;

/// How many of the newest ids are remembered.
const REMEMBERED_IDS: usize = 1000;

/// The newest ids of a partition.
#[derive(Default)]
pub(crate) struct Seen {
    order: VecDeque<SmolStr>,
    ids: HashSet<SmolStr>,
}

impl Seen {
    /// Whether an id is new, and remembers it.
    pub(crate) fn is_new(&mut self, id: &SmolStr) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        if self.order.len() > REMEMBERED_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

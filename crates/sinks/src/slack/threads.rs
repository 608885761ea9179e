//! Which thread belongs to which key, as far as it is remembered.
//!
//! Invariant: memory is bounded; the key that was used longest ago is forgotten first.

use std::collections::{BTreeMap, HashMap};

/// Most keys that are remembered.
const MOST: usize = 10_000;

/// The first message of each key, by its `ts`: a text, never a number, which would lose digits.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    by_key: HashMap<String, (u64, String)>,
    by_use: BTreeMap<u64, String>,
    uses: u64,
}

impl Threads {
    /// The message that the thread of `key` hangs on.
    pub(crate) fn find(&mut self, key: &str) -> Option<String> {
        let (used, ts) = self.by_key.get_mut(key)?;
        let name = self.by_use.remove(used)?;
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, name);
        Some(ts.clone())
    }

    /// The first message of a key was posted.
    pub(crate) fn begin(&mut self, key: &str, ts: String) {
        self.forget(key);
        if self.by_key.len() >= MOST
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_key.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key.to_owned());
        self.by_key.insert(key.to_owned(), (self.uses, ts));
    }

    /// The thread is gone: the next message of the key begins another.
    pub(crate) fn forget(&mut self, key: &str) {
        if let Some((used, _)) = self.by_key.remove(key) {
            self.by_use.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_used_longest_ago_is_forgotten_first() {
        let mut threads = Threads::default();
        for number in 0..MOST {
            threads.begin(&number.to_string(), format!("{number}.000100"));
        }
        assert_eq!(threads.find("0").as_deref(), Some("0.000100"));
        threads.begin("new", "9.9".to_owned());
        assert_eq!(threads.find("1"), None);
        assert!(threads.find("0").is_some() && threads.find("new").is_some());
        threads.forget("0");
        assert_eq!(threads.find("0"), None);
        assert_eq!((threads.by_key.len(), threads.by_use.len()), (MOST - 1, MOST - 1));
    }
}

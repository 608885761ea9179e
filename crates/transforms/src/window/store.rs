//! Open windows as they lie in a memory.
//!
//! | Key | Value |
//! |---|---|
//! | `w<end><key>` | a window; ends sort as numbers, so the next one to close comes first |
//! | `s<key>` | start and end of every open session of a key |
//! | `d<number>/<aggregate>/<value>` | a value that a `distinct` of the window of that number has seen |
//! | `n` | the number of the next window, and how many are open |
//!
//! Invariant: nothing of a window is left once it is removed.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluicebox_core::{Error, Memory, Result};
use smol_str::SmolStr;

use super::tally::Tally;

/// A stretch of time in milliseconds: from its start to right before its end.
pub(super) type Span = (i64, i64);

/// One window of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    /// What its members are found by.
    pub(super) number: u64,
    pub(super) start: i64,
    /// The key as its first event had it.
    pub(super) key: Value,
    /// By the name of the aggregate.
    pub(super) tallies: BTreeMap<String, Tally>,
}

/// The windows in a memory.
pub(super) struct Windows<'m>(pub(super) &'m mut Memory);

/// In the order of the numbers.
fn sortable(time: i64) -> String {
    format!("{:016x}", time.cast_unsigned() ^ (1 << 63))
}

fn window_key(end: i64, key: &str) -> String {
    format!("w{}{key}", sortable(end))
}

fn session_key(key: &str) -> String {
    format!("s{key}")
}

/// Under which a value that a window has seen is remembered.
pub(super) fn member_key(number: u64, aggregate: &str, value: &str) -> String {
    format!("d{number:x}/{aggregate}/{value}")
}

fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T> {
    serde_json::from_slice(value)
        .map_err(|error| Error::config(format!("what is remembered under `{key}` cannot be read: {error}")))
}

impl Windows<'_> {
    fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.0.get(key).map(|value| read(key, value)).transpose()
    }

    fn put<T: Serialize>(&mut self, key: &str, value: &T) {
        let json = serde_json::to_vec(value).expect("numbers, text and JSON have a JSON form");
        self.0.put(key, json, None);
    }

    /// The window of a key that ends then.
    pub(super) fn get(&self, end: i64, key: &str) -> Result<Option<Window>> {
        self.value(&window_key(end, key))
    }

    pub(super) fn write(&mut self, end: i64, key: &str, window: &Window) {
        self.put(&window_key(end, key), window);
    }

    /// Takes a window away, its members stay.
    pub(super) fn take(&mut self, end: i64, key: &str) {
        self.0.remove(&window_key(end, key));
    }

    /// The number of the next window, and how many are open.
    pub(super) fn counters(&self) -> Result<(u64, u64)> {
        Ok(self.value("n")?.unwrap_or_default())
    }

    pub(super) fn set_counters(&mut self, counters: (u64, u64)) {
        self.put("n", &counters);
    }

    /// The open sessions of a key, earliest first.
    pub(super) fn sessions(&self, key: &str) -> Result<Vec<Span>> {
        Ok(self.value(&session_key(key))?.unwrap_or_default())
    }

    pub(super) fn set_sessions(&mut self, key: &str, sessions: &[Span]) {
        if sessions.is_empty() {
            self.0.remove(&session_key(key));
        } else {
            self.put(&session_key(key), &sessions);
        }
    }

    /// The window that ends first, with its end and its key, if it ends by then.
    pub(super) fn first_until(&self, end: i64) -> Result<Option<(i64, SmolStr, Window)>> {
        let Some((key, value)) = self.0.starting_with("w").next() else { return Ok(None) };
        let (time, own) = key[1..].split_at_checked(16).unwrap_or_default();
        let bits = u64::from_str_radix(time, 16);
        let bits = bits.map_err(|_| Error::config(format!("`{key}` is no key of a window")))?;
        let ends = (bits ^ (1 << 63)).cast_signed();
        if ends > end {
            return Ok(None);
        }
        Ok(Some((ends, SmolStr::from(own), read(key, value)?)))
    }

    /// Forgets a window and everything that belongs to it.
    pub(super) fn close(&mut self, end: i64, key: &str, window: &Window) -> Result<()> {
        self.take(end, key);
        for member in self.members(window.number, None) {
            self.0.remove(&member);
        }
        let (next, open) = self.counters()?;
        self.set_counters((next, open.saturating_sub(1)));
        let mut sessions = self.sessions(key)?;
        if !sessions.is_empty() {
            sessions.retain(|session| *session != (window.start, end));
            self.set_sessions(key, &sessions);
        }
        Ok(())
    }

    /// The keys of what a window has seen, of one aggregate or of all.
    pub(super) fn members(&self, number: u64, aggregate: Option<&str>) -> Vec<SmolStr> {
        let prefix = match aggregate {
            Some(name) => format!("d{number:x}/{name}/"),
            None => format!("d{number:x}/"),
        };
        self.0.starting_with(&prefix).map(|(key, _)| key.clone()).collect()
    }
}

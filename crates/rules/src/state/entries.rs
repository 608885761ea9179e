//! How the state lies in the memory of the transform: one entry for each key, of a set for each item.
//!
//! `c:seen␟KEY` holds a count, `v:latest␟KEY` JSON, `s:topics␟KEY␟ITEM` nothing. So nothing is ever written but what
//! changed, and another kind under the same name begins afresh.

use rhai::{Array, Dynamic};
use sluicebox_core::{Memory, Timestamp};

use super::{Declared, Operation, StateKind};
use crate::write::{self, Unwritable};
use crate::{budget, limits, tree};

type Outcome<T> = Result<T, Box<rhai::EvalAltResult>>;

/// What the keys of a name begin with.
pub(super) fn group(kind: StateKind, name: &str) -> String {
    format!("{}:{name}{}", kind.letter(), Memory::GROUP_END)
}

/// A name and a key of the state.
pub(super) struct Place<'p> {
    pub(super) declared: &'p Declared,
    pub(super) key: &'p str,
    pub(super) memory: &'p mut Memory,
}

impl Place<'_> {
    /// Does what a call asks for; `argument` is its own one.
    ///
    /// # Errors
    /// The value does not fit.
    pub(super) fn call(self, operation: Operation, argument: Option<&Dynamic>) -> Outcome<Dynamic> {
        let argument = argument.unwrap_or(&Dynamic::UNIT);
        match self.declared.kind {
            StateKind::Counter => self.counter(operation, argument),
            StateKind::Value => self.value(operation, argument),
            StateKind::Set => self.set(operation, argument),
        }
    }

    fn entry(&self) -> String {
        [&self.declared.group, self.key].concat()
    }

    fn counter(mut self, operation: Operation, argument: &Dynamic) -> Outcome<Dynamic> {
        let entry = self.entry();
        let count = self.memory.get(&entry).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok());
        let count: i64 = count.unwrap_or(0);
        let new = match operation {
            Operation::Remove => return Ok(self.memory.remove(&entry).into()),
            Operation::Set => whole(&self.declared.name, argument)?,
            Operation::Add => {
                let by = if argument.is_unit() { 1 } else { whole(&self.declared.name, argument)? };
                let sum = count.checked_add(by);
                sum.ok_or_else(|| {
                    format!("the counter `{}` would leave the range of 64 bits", self.declared.name)
                })?
            }
            _ => return Ok(count.into()),
        };
        self.put(&entry, new.to_string().into_bytes());
        Ok(if operation == Operation::Set { Dynamic::UNIT } else { new.into() })
    }

    fn value(mut self, operation: Operation, argument: &Dynamic) -> Outcome<Dynamic> {
        let entry = self.entry();
        match operation {
            Operation::Remove => Ok(self.memory.remove(&entry).into()),
            Operation::Set if argument.is_unit() => {
                self.memory.remove(&entry);
                Ok(Dynamic::UNIT)
            }
            Operation::Set => {
                let json = self.json(argument, "value", limits::STATE_VALUE_BYTES)?;
                self.put(&entry, json);
                Ok(Dynamic::UNIT)
            }
            _ => self.memory.get(&entry).map_or(Ok(Dynamic::UNIT), |json| read(json)),
        }
    }

    fn set(mut self, operation: Operation, argument: &Dynamic) -> Outcome<Dynamic> {
        let mut entry = self.entry();
        entry.push(Memory::GROUP_END);
        let name = &self.declared.name;
        match operation {
            Operation::Get => return self.items(&entry),
            Operation::Len => {
                let entries = self.memory.group(&entry).entries;
                return Ok(i64::try_from(entries).unwrap_or(i64::MAX).into());
            }
            _ if argument.is_unit() => {
                return Err(format!(
                    "the item for `{name}` is missing: give a default with `??`, or ask first"
                )
                .into());
            }
            _ => {}
        }
        let group = entry.len();
        let item = self.json(argument, "item", limits::STATE_ITEM_BYTES)?;
        entry.push_str(&String::from_utf8_lossy(&item));
        let is_there = self.memory.get(&entry).is_some();
        match operation {
            Operation::Add => {
                self.put(&entry, Vec::new());
                let set = &entry[..group];
                while self.memory.group(set).entries > self.declared.max_items
                    && self.memory.forget_oldest(set)
                {}
                Ok((!is_there).into())
            }
            Operation::Remove => Ok(self.memory.remove(&entry).into()),
            _ => Ok(is_there.into()),
        }
    }

    /// The items of a set, in the order of their JSON.
    fn items(&self, group: &str) -> Outcome<Dynamic> {
        let items = self.memory.starting_with(group).map(|(entry, _)| read(&entry.as_bytes()[group.len()..]));
        Ok(Dynamic::from_array(items.collect::<Outcome<Array>>()?))
    }

    /// Writes an entry, and forgets the oldest of the name where there is too much.
    fn put(&mut self, entry: &str, value: Vec<u8>) {
        let Declared { group, ttl, max_keys, .. } = self.declared;
        let now = self.memory.time().unwrap_or_default();
        let until = ttl.map(|ttl| Timestamp::from_millis(now.as_millis().saturating_add(ttl)));
        self.memory.put(entry, value, until);
        loop {
            let size = self.memory.group(group);
            let is_over = size.entries > *max_keys || size.bytes > limits::STATE_BYTES;
            if !(is_over && self.memory.forget_oldest(group)) {
                break;
            }
        }
    }

    fn json(&self, value: &Dynamic, what: &str, most: usize) -> Outcome<Vec<u8>> {
        let name = &self.declared.name;
        let too_large = || format!("the {what} for `{name}` is larger than {most} bytes");
        match write::json_within(value, most) {
            Ok(json) if json.len() > most => Err(too_large().into()),
            Ok(json) => Ok(json),
            Err(Unwritable::Size(_)) => Err(too_large().into()),
            Err(error) => Err(format!("the {what} for `{name}` cannot be kept: {error}").into()),
        }
    }
}

fn read(json: &[u8]) -> Outcome<Dynamic> {
    budget::work(json.len())?;
    tree::read_value(json).map_err(|error| format!("what the state holds cannot be read: {error}").into())
}

fn whole(name: &str, number: &Dynamic) -> Outcome<i64> {
    number.as_int().map_err(|_| {
        let found = crate::error::kind(number.type_name());
        format!("the counter `{name}` counts in whole numbers, found {found}: count in the smallest unit")
            .into()
    })
}

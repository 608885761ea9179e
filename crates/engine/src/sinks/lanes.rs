//! Lanes for keys that wait: a retrying event blocks only its own key.

use std::collections::HashMap;
use std::time::Duration;

use sluicebox_core::{Backoff, Chance, Error, Event, RetryOptions};
use smol_str::SmolStr;

use super::Duty;
use crate::warnings::{Warning, Warnings};

/// Partition and ordering key.
type Key = (usize, SmolStr);

struct Lane {
    events: Vec<Event>,
    duties: Vec<Duty>,
    due: Duration,
    backoff: Backoff,
}

/// Keys whose first event was refused for now, with everything that came after it.
pub(crate) struct Lanes {
    by_key: HashMap<Key, Lane>,
    retry: RetryOptions,
    warnings: Warnings,
    /// Whether it was told that something waits, so that the recovery is told.
    told: bool,
}

impl Lanes {
    pub(crate) fn new(retry: RetryOptions) -> Self {
        Self { by_key: HashMap::new(), retry, warnings: Warnings::default(), told: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Takes the events whose key is waiting out of a window, behind those that wait already.
    pub(crate) fn hold_back(&mut self, events: Vec<Event>, duties: Vec<Duty>) -> (Vec<Event>, Vec<Duty>) {
        if self.by_key.is_empty() {
            return (events, duties);
        }
        let mut free = (Vec::with_capacity(events.len()), Vec::with_capacity(duties.len()));
        for (event, duty) in events.into_iter().zip(duties) {
            if let Some(lane) = self.by_key.get_mut(&key(&event, &duty)) {
                lane.events.push(event);
                lane.duties.push(duty);
            } else {
                free.0.push(event);
                free.1.push(duty);
            }
        }
        free
    }

    /// An event was refused for now: its key waits. `attempts` counts on if it has waited before.
    pub(crate) fn park(
        &mut self,
        (event, duty): (Event, Duty),
        error: &Error,
        earlier: Option<Backoff>,
        (now, chance): (Duration, &dyn Chance),
    ) {
        let retry = &self.retry;
        let lane = self.by_key.entry(key(&event, &duty)).or_insert_with(|| {
            let mut backoff = earlier.unwrap_or_else(|| retry.backoff());
            let due = now + backoff.next(error.retry_after(), chance);
            Lane { events: Vec::new(), duties: Vec::new(), due, backoff }
        });
        lane.events.push(event);
        lane.duties.push(duty);
    }

    /// Asks for a line about events that wait.
    pub(crate) fn warn(&mut self, now: Duration) -> Warning {
        self.told = true;
        self.warnings.admit(now)
    }

    /// Whether nothing waits any more that was told of before; says so once.
    pub(crate) fn has_recovered(&mut self) -> bool {
        self.is_empty() && std::mem::take(&mut self.told)
    }

    /// When the next lane is due.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.by_key.values().map(|lane| lane.due).min()
    }

    /// Takes out one lane that is due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(Vec<Event>, Vec<Duty>, Backoff)> {
        let key = self.by_key.iter().find(|(_, lane)| lane.due <= now).map(|(key, _)| key.clone())?;
        let lane = self.by_key.remove(&key)?;
        Some((lane.events, lane.duties, lane.backoff))
    }
}

fn key(event: &Event, duty: &Duty) -> Key {
    (duty.partition.index, event.meta().key.clone())
}

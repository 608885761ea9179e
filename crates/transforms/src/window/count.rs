//! One event into its windows: all of them are worked out first, then written.

use std::collections::BTreeSet;

use serde_json::Value;
use sluicebox_core::{Reason, Result};

use super::Refused;
use super::aggregate::Function;
use super::kind::Spans;
use super::runner::{Counter, Placed};
use super::store::{Span, Window, Windows, member_key};
use super::tally::Tally;
use crate::grouping::value_key;

/// Most things that one transform remembers of one account, whatever its options.
const MOST_ENTRIES: usize = 2_000_000;

/// What became of an event.
pub(super) enum Counted {
    In,
    Late,
    Refused(Refused),
}

/// A window as it will be.
struct Draft {
    end: i64,
    window: Window,
    is_new: bool,
    /// What its `distinct` aggregates have seen for the first time.
    members: BTreeSet<String>,
    /// Windows that it takes the place of, with what they have seen.
    instead: Vec<(i64, Window)>,
}

impl Counter {
    /// Counts an event whose aggregates have these values.
    ///
    /// # Errors
    /// What is remembered cannot be read.
    pub(super) fn count(
        &self,
        placed: &Placed,
        values: &[Option<Value>],
        mut windows: Windows<'_>,
    ) -> Result<Counted> {
        let newest = windows.0.time().map_or(i64::MIN, sluicebox_core::Timestamp::as_millis);
        let mut spans = self.spans.of(placed.time);
        spans.retain(|(_, end)| end.saturating_add(self.lateness) > newest);
        if spans.is_empty() {
            return Ok(Counted::Late);
        }
        let (mut next, open) = windows.counters()?;
        let mut drafts = Vec::with_capacity(spans.len());
        for span in spans {
            let draft = match self.spans {
                Spans::Regular { .. } => Ok(self.regular(span, placed, next, &windows)?),
                Spans::Session { .. } => self.session(span, placed, next, &windows)?,
            };
            let draft = draft.and_then(|mut draft| {
                self.add(&mut draft, placed.time, values, &windows)?;
                Ok(draft)
            });
            match draft {
                Err(refused) => return Ok(Counted::Refused(refused)),
                Ok(draft) => {
                    next += u64::from(draft.is_new);
                    drafts.push(draft);
                }
            }
        }
        if let Some(refused) = self.refusal(&drafts, open, &windows) {
            return Ok(Counted::Refused(refused));
        }
        self.write(drafts, placed, (next, open), &mut windows)?;
        Ok(Counted::In)
    }

    fn empty(&self, start: i64, placed: &Placed, number: u64) -> Window {
        let tallies = self.aggregates.iter();
        let tallies = tallies.map(|aggregate| (aggregate.name.clone(), Tally::new(aggregate.function)));
        Window { number, start, key: placed.key.clone(), tallies: tallies.collect() }
    }

    fn regular(
        &self,
        (start, end): Span,
        placed: &Placed,
        next: u64,
        windows: &Windows<'_>,
    ) -> Result<Draft> {
        let held = windows.get(end, &placed.text)?;
        let is_new = held.is_none();
        let window = held.unwrap_or_else(|| self.empty(start, placed, next));
        Ok(Draft { end, window, is_new, members: BTreeSet::new(), instead: Vec::new() })
    }

    /// The session that an event joins, and with it all others that it bridges.
    fn session(
        &self,
        (start, end): Span,
        placed: &Placed,
        next: u64,
        windows: &Windows<'_>,
    ) -> Result<std::result::Result<Draft, Refused>> {
        let mut draft = Draft {
            end,
            window: self.empty(start, placed, next),
            is_new: true,
            members: BTreeSet::new(),
            instead: Vec::new(),
        };
        for (from, until) in windows.sessions(&placed.text)? {
            if from >= end || until <= start {
                continue;
            }
            let Some(held) = windows.get(until, &placed.text)? else { continue };
            draft.instead.push((until, held.clone()));
            if draft.is_new {
                draft.window = Window { start: from.min(start), ..held };
                draft.is_new = false;
            } else if let Err(refused) = self.join(&mut draft, &held, windows) {
                return Ok(Err(refused));
            }
            draft.end = draft.end.max(until);
        }
        Ok(Ok(draft))
    }

    /// Takes another window into a draft.
    fn join(
        &self,
        draft: &mut Draft,
        other: &Window,
        windows: &Windows<'_>,
    ) -> std::result::Result<(), Refused> {
        for aggregate in &self.aggregates {
            let name = aggregate.name.as_str();
            let (Some(own), Some(more)) = (draft.window.tallies.get_mut(name), other.tallies.get(name))
            else {
                continue;
            };
            own.merge(aggregate, more)?;
            if let Tally::Distinct(count) = own {
                let prefix = member_key(other.number, name, "").len();
                for member in windows.members(other.number, Some(name)) {
                    let key = member_key(draft.window.number, name, &member[prefix..]);
                    *count += u64::from(windows.0.get(&key).is_none() && draft.members.insert(key));
                }
            }
        }
        Ok(())
    }

    /// Adds the values of an event.
    fn add(
        &self,
        draft: &mut Draft,
        time: i64,
        values: &[Option<Value>],
        windows: &Windows<'_>,
    ) -> std::result::Result<(), Refused> {
        for (aggregate, value) in self.aggregates.iter().zip(values) {
            let tally = draft.window.tallies.entry(aggregate.name.clone());
            let tally = tally.or_insert_with(|| Tally::new(aggregate.function));
            // The pipeline was changed while the window was open.
            if !tally.is_of(aggregate.function) {
                *tally = Tally::new(aggregate.function);
            }
            let Some(value) = value else { continue };
            tally.add(aggregate, time, value)?;
            if let Tally::Distinct(count) = tally {
                let key = member_key(draft.window.number, &aggregate.name, &value_key(value));
                *count += u64::from(windows.0.get(&key).is_none() && draft.members.insert(key));
            }
        }
        Ok(())
    }

    /// Why there is no room for an event.
    fn refusal(&self, drafts: &[Draft], open: u64, windows: &Windows<'_>) -> Option<Refused> {
        let new = drafts.iter().filter(|draft| draft.is_new).count();
        let members: usize = drafts.iter().map(|draft| draft.members.len()).sum();
        if open + new as u64 > self.max_windows {
            let message = format!("{open} windows are open, and at most {} may be", self.max_windows);
            let help = "raise `max_windows`, or choose a `key` with fewer values, then replay";
            return Some(Refused::new(Reason::TooLarge, message, Some(help)));
        }
        for aggregate in self.aggregates.iter().filter(|aggregate| aggregate.function == Function::Distinct) {
            let counts = drafts.iter().filter_map(|draft| draft.window.tallies.get(&aggregate.name));
            let over = |tally: &&Tally| matches!(tally, Tally::Distinct(count) if *count > self.max_distinct);
            if !drafts.iter().all(|draft| draft.members.is_empty()) && counts.filter(over).count() > 0 {
                let (name, most) = (&aggregate.name, self.max_distinct);
                let message =
                    format!("the window has {most} different values for `{name}`, and may have no more");
                return Some(Refused::new(Reason::TooLarge, message, Some("raise `max_distinct`")));
            }
        }
        // Each new window may bring the list of the sessions of its key.
        (windows.0.len() + members + 2 * new > MOST_ENTRIES).then(|| {
            let message = format!("{MOST_ENTRIES} values are remembered of this account, and no more can be");
            Refused::new(
                Reason::TooLarge,
                message,
                Some("choose shorter windows, or a `key` with fewer values"),
            )
        })
    }

    fn write(
        &self,
        drafts: Vec<Draft>,
        placed: &Placed,
        (next, mut open): (u64, u64),
        windows: &mut Windows<'_>,
    ) -> Result<()> {
        let before = open;
        for Draft { end, window, is_new, members, instead } in drafts {
            open += u64::from(is_new);
            open -= instead.len().saturating_sub(1) as u64;
            for (until, _) in instead.iter().filter(|(until, _)| *until != end) {
                windows.take(*until, &placed.text);
            }
            for (_, held) in instead.iter().filter(|(_, held)| held.number != window.number) {
                for member in windows.members(held.number, None) {
                    windows.0.remove(&member);
                }
            }
            for member in members {
                windows.0.put(&member, bytes::Bytes::new(), None);
            }
            if let Spans::Session { .. } = self.spans {
                let mut sessions = windows.sessions(&placed.text)?;
                let gone = |span: &Span| instead.iter().any(|(until, held)| *span == (held.start, *until));
                sessions.retain(|span| !gone(span));
                sessions.push((window.start, end));
                sessions.sort_unstable();
                windows.set_sessions(&placed.text, &sessions);
            }
            windows.write(end, &placed.text, &window);
        }
        if open != before || windows.counters()?.0 != next {
            windows.set_counters((next, open));
        }
        Ok(())
    }
}

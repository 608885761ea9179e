//! Counts events into windows and closes those whose time has passed.
//!
//! Invariant: every event with a time moves the time, whatever becomes of it, or a memory that is full could never
//! empty; and an event is counted in all of its windows or in none.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde_json::Value;
use sluicebox_core::{
    DeadLetterError, DiscardReason, Error, Event, Memory, Meta, Outputs, Reason, Result, StatefulTransform,
    Timestamp, Transform,
};
use sluicebox_rules::Expression;
use smol_str::SmolStr;

use super::aggregate::Compiled;
use super::count::Counted;
use super::kind::Spans;
use super::store::{Window, Windows};
use super::{LATE, Late, Refused};
use crate::grouping::plain;

/// A window transform, ready to run.
pub(super) struct Counter {
    pub(super) component: SmolStr,
    pub(super) key: Option<Expression>,
    pub(super) time: Option<Expression>,
    pub(super) spans: Spans,
    /// Milliseconds.
    pub(super) lateness: i64,
    pub(super) aggregates: Vec<Compiled>,
    pub(super) late: Late,
    pub(super) max_windows: u64,
    pub(super) max_distinct: u64,
}

/// Longest key, in bytes of its text.
const LONGEST_KEY: usize = 1024;

/// Where an event belongs.
pub(super) struct Placed {
    pub(super) time: i64,
    pub(super) key: Value,
    /// The key as text.
    pub(super) text: String,
}

impl Counter {
    fn take(&self, index: usize, event: Event, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        let time = match self.time(&event) {
            Ok(time) => time,
            Err(refused) => {
                refuse(index, event, refused, out);
                return Ok(());
            }
        };
        // Its window was closed, or it was given up in the middle of one: nobody knows.
        if event.meta().replay.is_some() {
            self.replayed(index, event, out);
            return Ok(());
        }
        memory.advance(Timestamp::from_millis(time));
        self.close(index, &event, memory, out)?;
        let placed = self.key(&event).map(|(key, text)| Placed { time, key, text });
        match placed.and_then(|placed| Ok((self.values(&event)?, placed))) {
            Err(refused) => refuse(index, event, refused, out),
            Ok((values, placed)) => match self.count(&placed, &values, Windows(memory))? {
                Counted::In => out.absorb(index),
                Counted::Late => self.late(index, event, out),
                Counted::Refused(refused) => refuse(index, event, refused, out),
            },
        }
        Ok(())
    }

    fn time(&self, event: &Event) -> std::result::Result<i64, Refused> {
        let Some(expression) = &self.time else { return Ok(event.meta().time.as_millis()) };
        let value = expression.evaluate(event)?;
        let time = match &value {
            Value::String(text) => Timestamp::parse(text),
            Value::Number(number) => number.as_i64().map(Timestamp::from_millis),
            _ => None,
        };
        time.map(Timestamp::as_millis).ok_or_else(|| {
            let found = if value.is_null() { "nothing".to_owned() } else { format!("`{value}`") };
            let message = format!(
                "expected a time in RFC 3339 or whole milliseconds since 1970 for `time`, found {found}"
            );
            Refused::new(Reason::Validation, message, None)
        })
    }

    fn key(&self, event: &Event) -> std::result::Result<(Value, String), Refused> {
        let value = match &self.key {
            None => Value::from(event.meta().key.as_str()),
            Some(expression) => expression.evaluate(event)?,
        };
        if value.is_null() {
            let help = "give a default, like `event.a ?? \"none\"`";
            return Err(Refused::new(
                Reason::Validation,
                "expected a value for `key`, found nothing",
                Some(help),
            ));
        }
        let text = plain(&value);
        if text.len() > LONGEST_KEY {
            let message = format!("the key has {} bytes, and may have at most {LONGEST_KEY}", text.len());
            return Err(Refused::new(Reason::TooLarge, message, None));
        }
        Ok((value, text))
    }

    fn values(&self, event: &Event) -> std::result::Result<Vec<Option<Value>>, Refused> {
        self.aggregates.iter().map(|aggregate| aggregate.read(event)).collect()
    }

    /// Closes every window whose end, and the time for late events after it, has passed; in the order of ends and keys.
    fn close(&self, index: usize, event: &Event, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        let Some(newest) = memory.time() else { return Ok(()) };
        let until = newest.as_millis().saturating_sub(self.lateness);
        let mut windows = Windows(memory);
        while let Some((end, key, window)) = windows.first_until(until)? {
            windows.close(end, &key, &window)?;
            out.emit(index, self.result((window.start, end), &key, &window, event.meta()));
        }
        Ok(())
    }

    /// The event that a window becomes; `cause` is the envelope of the event that closed it.
    fn result(&self, (start, end): (i64, i64), key: &str, window: &Window, cause: &Meta) -> Event {
        let [start, end] = [start, end].map(Timestamp::from_millis);
        let mut json = format!(r#"{{"key":{},"start":"{start}","end":"{end}""#, window.key);
        for aggregate in &self.aggregates {
            let name = Value::from(aggregate.name.as_str());
            let result = match window.tallies.get(&aggregate.name) {
                Some(tally) if tally.is_of(aggregate.function) => tally.json(),
                _ => "null".to_owned(),
            };
            write!(json, ",{name}:{result}").expect("a string takes all text");
        }
        json.push('}');
        let component = &self.component;
        let id = match partition(cause) {
            partition if partition == key => format!("{component}:{key}:{start}"),
            partition => format!("{component}:{partition}:{key}:{start}"),
        };
        let meta = Meta {
            event_type: component.clone(),
            time: end,
            key: key.into(),
            received: cause.received,
            ..Meta::new(cause.source.clone(), cause.account.clone(), id)
        };
        Event::from_validated(json.into(), meta)
    }

    fn late(&self, index: usize, event: Event, out: &mut Outputs) {
        match self.late {
            Late::Drop => out.discard(index, DiscardReason::Filtered),
            Late::Output => out.emit_to(index, LATE, event),
            Late::DeadLetter => {
                let help = "raise `lateness`, or send such events on with `late: output`";
                let message = "the event is late: its window is closed";
                refuse(index, event, Refused::new(Reason::Validation, message, Some(help)), out);
            }
        }
    }

    fn replayed(&self, index: usize, event: Event, out: &mut Outputs) {
        if self.late == Late::Output {
            return self.late(index, event, out);
        }
        let help = "use `late: output`, and it goes there";
        let message = "a dead letter that is replayed cannot be counted: its window may be closed";
        refuse(index, event, Refused::new(Reason::Validation, message, Some(help)), out);
    }
}

/// The source and account, as one word without a colon: accounts with equal keys have windows of their own.
fn partition(meta: &Meta) -> String {
    if meta.account == meta.source {
        return meta.source.to_string();
    }
    format!("{}/{}", meta.source, meta.account.replace('%', "%25").replace(':', "%3A"))
}

fn refuse(index: usize, event: Event, refused: Refused, out: &mut Outputs) {
    out.dead_letter(index, event, refused.reason, refused.error);
}

impl From<sluicebox_rules::RuleError> for Refused {
    fn from(error: sluicebox_rules::RuleError) -> Self {
        Self { reason: error.reason(), error: error.into() }
    }
}

impl Refused {
    pub(super) fn new(reason: Reason, message: impl Into<String>, help: Option<&str>) -> Self {
        let help = help.map(str::to_owned);
        Self { reason, error: DeadLetterError { help, ..DeadLetterError::new(message) } }
    }
}

impl StatefulTransform for Counter {
    fn max_entries(&self) -> usize {
        // What is forgotten for want of room would be a count that is wrong: an event for which there is no room is
        // refused instead.
        usize::MAX
    }

    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            self.take(index, event, memory, out)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Transform for Counter {
    async fn apply(&self, _batch: Vec<Event>, _out: &mut Outputs) -> Result<()> {
        Err(Error::config("`window` remembers, and was given no memory"))
    }

    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        Some(self)
    }
}

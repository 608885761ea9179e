//! The `generate` source: events made up here, for trying a pipeline out.
//!
//! Invariant: the same position always gives the same id and the same fields but `createdAt`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluicebox_core::{
    Batch, BuiltSource, CheckContext, Context, Cursor, Environment, Error, Event, Pace, Problem, Result,
    Source, SourceClass, SourceSpec,
};

use crate::item::{Origin, Said};

/// Makes up events, to try a pipeline out without an account or a network.
///
/// Each event is an object with `sequence` (1, 2, 3 …), `type`, `createdAt` and the fields of `fields`. `meta.id` is
/// `generate:<account>:<sequence>`. The cursor is the sequence of the last event, so that a restart goes on after it.
/// Without `count` there is no end, and `run --once` takes one page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many events in all; unset: without end.
    #[serde(default)]
    pub count: Option<u64>,
    /// Events per second.
    #[serde(default = "default_rate")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rate: u32,
    /// The type of the events (`meta.type` and `event.type`).
    #[serde(default = "default_event_type")]
    pub event_type: String,
    /// Fields that every event has.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}

fn default_rate() -> u32 {
    10
}

fn default_event_type() -> String {
    "generated".to_owned()
}

#[async_trait]
impl SourceSpec for Generate {
    const TYPE: &'static str = "generate";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(1..=1_000_000).contains(&self.rate) {
            problems.push(Problem::new("rate", format!("expected 1 to 1000000, found {}", self.rate)));
        }
        let taken =
            ["sequence", "type", "createdAt"].into_iter().filter(|name| self.fields.contains_key(*name));
        problems.extend(
            taken.map(|name| Problem::new(format!("fields.{name}"), "every event has this field already")),
        );
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let origin = Origin::new("generate", cx);
        Ok(BuiltSource::single(Generator {
            options: self,
            origin,
            environment: cx.environment.clone(),
            made: 0,
        }))
    }
}

struct Generator {
    options: Generate,
    origin: Origin,
    environment: Environment,
    made: u64,
}

impl Generator {
    /// Most events of one page, and pages of a second.
    const PAGE: u64 = 1000;
    const PAGES_A_SECOND: u64 = 10;

    fn event(&self, sequence: u64) -> Event {
        let now = self.environment.clock.now();
        let event_type = &self.options.event_type;
        let mut event = json!({ "sequence": sequence, "type": event_type, "createdAt": now });
        for (name, value) in &self.options.fields {
            event[name] = value.clone();
        }
        let id = sequence.to_string();
        let said = Said { id: &id, event_type, time: Some(now), key: None };
        self.origin.event(Bytes::from(event.to_string()), &said, now)
    }
}

#[async_trait]
impl Source for Generator {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let made = saved.map_or(Some(0), |cursor| cursor.as_str()?.parse().ok());
        self.made = made.ok_or_else(|| {
            Error::config("the saved cursor is not the number of an event")
                .with_reason("cursor_rejected")
                .with_help("set a good one with `sluicebox cursor set`")
        })?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let left = self.options.count.map_or(u64::MAX, |count| count.saturating_sub(self.made));
        if left == 0 {
            return Ok(None);
        }
        let rate = u64::from(self.options.rate.max(1));
        let size = (rate / Self::PAGES_A_SECOND).clamp(1, Self::PAGE).min(left);
        let events = (self.made + 1..=self.made + size).map(|sequence| self.event(sequence)).collect();
        self.made += size;
        let mut batch = Batch::empty(Some(Cursor::from(self.made.to_string())));
        batch.events = events;
        batch.pace = Pace::After(Duration::from_nanos(1_000_000_000 * size / rate));
        // Without an end there is always more, but never at this moment.
        batch.caught_up = self.options.count.is_none();
        Ok(Some(batch))
    }
}

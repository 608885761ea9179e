//! The `generate` source: events made up here, for trying a pipeline out.
//!
//! Invariant: the same position always gives the same id and the same fields but `createdAt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
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
        Ok(BuiltSource::single(Generator {
            origin: Origin::new("generate", cx),
            constant: Constant::of(&self),
            options: self,
            environment: cx.environment.clone(),
            made: 0,
            schedule: None,
        }))
    }
}

struct Generator {
    options: Generate,
    origin: Origin,
    constant: Constant,
    environment: Environment,
    made: u64,
    schedule: Option<Schedule>,
}

/// What all events have in common, as JSON text.
struct Constant {
    /// Between `sequence` and the time.
    middle: String,
    /// After the time.
    end: String,
}

impl Constant {
    fn of(options: &Generate) -> Self {
        let mut end = String::from("\"");
        for (name, value) in &options.fields {
            // Writing to a text cannot fail.
            let _ = write!(end, ",{}:{value}", Value::from(name.as_str()));
        }
        end.push('}');
        Self {
            middle: format!(",\"type\":{},\"createdAt\":\"", Value::from(options.event_type.as_str())),
            end,
        }
    }
}

/// When the events are due: so many a second since a moment, whatever each page and each rest really took.
struct Schedule {
    since: Duration,
    made: u64,
}

impl Schedule {
    /// How long to rest once `made` events are made; `None` if it has fallen behind by so much that it is given up.
    fn rest(&self, made: u64, rate: u64, now: Duration) -> Option<Duration> {
        let nanoseconds = u128::from(made - self.made) * 1_000_000_000 / u128::from(rate);
        let due = self.since + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        (due + Generator::SLACK >= now).then(|| due.saturating_sub(now))
    }
}

impl Generator {
    /// Most events of one page, and pages of a second.
    const PAGE: u64 = 1000;
    const PAGES_A_SECOND: u64 = 10;

    /// How far it may fall behind, because nobody took its pages, and still catch up.
    const SLACK: Duration = Duration::from_millis(100);

    /// Events up to a number, all of this moment.
    fn page(&self, last: u64) -> Vec<Event> {
        let now = self.environment.clock.now();
        let (time, Constant { middle, end }) = (now.to_string(), &self.constant);
        let event = |sequence: u64| {
            let id = sequence.to_string();
            let json = ["{\"sequence\":", &id, middle, &time, end].concat();
            let said = Said { id: &id, event_type: &self.options.event_type, time: Some(now), key: None };
            self.origin.event(Bytes::from(json), &said, now)
        };
        (self.made + 1..=last).map(event).collect()
    }

    fn pace(&mut self, rate: u64) -> Pace {
        let now = self.environment.clock.elapsed();
        let rest = self.schedule.as_ref().and_then(|schedule| schedule.rest(self.made, rate, now));
        match rest {
            Some(Duration::ZERO) => Pace::Immediately,
            Some(rest) => Pace::After(rest),
            None => {
                self.schedule = Some(Schedule { since: now, made: self.made });
                Pace::Immediately
            }
        }
    }
}

#[async_trait]
impl Source for Generator {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.schedule = None;
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
        if self.schedule.is_none() {
            self.schedule = Some(Schedule { since: self.environment.clock.elapsed(), made: self.made });
        }
        let events = self.page(self.made + size);
        self.made += size;
        let mut batch = Batch::empty(Some(Cursor::from(self.made.to_string())));
        batch.events = events;
        batch.pace = self.pace(rate);
        // Without an end there is always more, but never at this moment.
        batch.caught_up = self.options.count.is_none();
        Ok(Some(batch))
    }
}

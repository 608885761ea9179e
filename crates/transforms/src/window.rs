//! The `window` transform: events become counts, sums and the like over stretches of time.
//!
//! Invariant: a window is a function of the events alone, in their order, so that the same windows with the same ids
//! come out however often a run ends in between.

mod aggregate;
mod count;
mod kind;
mod runner;
mod store;
mod sum;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    CheckContext, Context, DeadLetterError, Error, Located, Period, Problem, Reason, Result, ScriptFiles,
    Transform, TransformSpec,
};
use sluicebox_rules::Expression;

pub use aggregate::{Aggregate, Function};

use crate::dedupe::expression;
use aggregate::Compiled;
use kind::Spans;
use runner::Counter;

/// The output of late events.
const LATE: &str = "late";

/// Counts events over stretches of time, by key: one event leaves for every window, when the window closes.
///
/// The event is `{"key": …, "start": …, "end": …}` with a field for each aggregate. Its id is
/// `<component>:<partition>:<key>:<start>`, without the partition where that is the key; the partition is the source, or
/// `<source>/<account>`. `meta.type` is the component's name, `meta.key` the key and `meta.time` the end of the window.
/// Events that were counted go no further themselves.
///
/// Time is that of the events (`time`), never that of the clock. A window closes when an event of the same account
/// arrives that is as new as the window's end and `lateness` together; until then it is open, also across restarts, and
/// with `--once`. Windows that close together leave in the order of their ends, then of their keys. An event whose windows
/// are all closed is late. Tumbling and sliding windows begin at whole multiples of their step since 1970 in UTC: `size:
/// 1h` at every full hour, `1d` at midnight.
///
/// Each account of a source has windows of its own. They are saved together with the cursor, in one commit: however a
/// run ends, each event is counted once, and a transactional sink gets each window once.
///
/// An event without time or key, or with a value that an aggregate cannot take, is a dead letter with reason
/// `validation` and counted nowhere, and one for which there is no room is one with reason `too_large`. A dead letter
/// that is replayed is late.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "size": "1m",
    "key": "event.data.currency",
    "aggregates": { "payments": "count", "total": { "sum": "event.data.amount" } }
}))]
#[schemars(example = serde_json::json!({
    "kind": "session",
    "gap": "30m",
    "key": "event.userId",
    "aggregates": { "pages": { "distinct": "event.path" }, "entry": { "first": "event.path" } }
}))]
pub struct Window {
    /// How the windows lie in time.
    #[serde(default)]
    pub kind: WindowKind,
    /// How long a window is. Needed for `tumbling` and `sliding`.
    #[serde(default)]
    pub size: Option<Period>,
    /// The step from one window to the next. Needed for `sliding`; an event is in up to 1,000 windows.
    #[serde(default)]
    #[schemars(example = "10s")]
    pub every: Option<Period>,
    /// The pause after which a session is over. Needed for `session`; a session ends that long after its last event.
    #[serde(default)]
    #[schemars(example = "30m")]
    pub gap: Option<Period>,
    /// What the events are grouped by, an expression, taken as text of at most 1,024 bytes. Unset: `meta.key`.
    #[serde(default)]
    #[schemars(schema_with = "expression", example = "event.userId")]
    pub key: Option<Located>,
    /// The time of an event, an expression: RFC 3339, or whole milliseconds since 1970. Unset: `meta.time`.
    #[serde(default)]
    #[schemars(schema_with = "expression", example = "event.paidAt")]
    pub time: Option<Located>,
    /// How long a window waits for late events after its end, in the time of the events.
    #[serde(default)]
    pub lateness: Period,
    /// What becomes of a late event.
    #[serde(default)]
    pub late: Late,
    /// What is computed, by the name of the field that gets it: `count`, or one of `count`, `sum`, `avg`, `min`, `max`,
    /// `distinct` (how many different values), `first`, `last` (by time) with an expression. An expression that finds
    /// nothing is passed over; without any value, the field is `null` (of `count` and `distinct`, 0). Sums are exact for
    /// numbers of up to 28 digits, so money keeps its cents; beyond that, and in `avg`, they are floats.
    #[schemars(length(min = 1), extend("x-rule" = "expression"))]
    #[schemars(example = serde_json::json!({ "payments": "count", "total": { "sum": "event.data.amount" } }))]
    pub aggregates: BTreeMap<String, Aggregate>,
    /// Most windows that may be open for one account.
    #[serde(default = "default_max_windows")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_windows: u64,
    /// Most different values that `distinct` counts in one window.
    #[serde(default = "default_max_distinct")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_distinct: u64,
}

/// How windows lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// One after the other, each `size` long.
    #[default]
    Tumbling,
    /// Overlapping: each `size` long, and one begins `every` so often.
    Sliding,
    /// As long as no pause between two events is as long as `gap`.
    Session,
}

/// What becomes of a late event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It is discarded (counted as `filtered`).
    #[default]
    Drop,
    /// It leaves by the output `late`, as it came; somebody must read `<component>.late`.
    Output,
    /// It is a dead letter with reason `validation`.
    DeadLetter,
}

fn default_max_windows() -> u64 {
    10_000
}

fn default_max_distinct() -> u64 {
    10_000
}

/// An event that cannot be counted.
struct Refused {
    reason: Reason,
    error: DeadLetterError,
}

/// Most windows that one event may be in.
const MOST_SPANS: i64 = 1000;

impl Window {
    fn spans(&self) -> std::result::Result<Spans, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut length = |name: &str, period: Option<Period>, wanted: bool| {
            let kind = match self.kind {
                WindowKind::Tumbling => "tumbling",
                WindowKind::Sliding => "sliding",
                WindowKind::Session => "session",
            };
            match period.map(|period| i64::try_from(period.0.as_millis()).unwrap_or(i64::MAX)) {
                None if wanted => {
                    let message = format!("`{name}` is missing, and `kind: {kind}` needs it");
                    problems.push(Problem::new("", message).with_help(format!("like `{name}: 1m`")));
                }
                Some(_) if !wanted => {
                    problems.push(Problem::new(name, format!("`kind: {kind}` has no `{name}`")));
                }
                Some(milliseconds @ 1..=MOST_MILLISECONDS) => return milliseconds,
                Some(_) => {
                    problems.push(Problem::new(name, "expected a time of 1 millisecond to 10 years"));
                }
                None => {}
            }
            1
        };
        let size = length("size", self.size, self.kind != WindowKind::Session);
        let every = length("every", self.every, self.kind == WindowKind::Sliding);
        let gap = length("gap", self.gap, self.kind == WindowKind::Session);
        if self.kind == WindowKind::Sliding && problems.is_empty() {
            if every > size {
                let message = "windows that begin less often than they are long leave events out";
                problems.push(Problem::new("every", message).with_help("`every` is at most `size`"));
            } else if (size + every - 1) / every > MOST_SPANS {
                let message = format!("every event would be in more than {MOST_SPANS} windows");
                problems.push(Problem::new("every", message).with_help("choose a longer step"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(match self.kind {
            WindowKind::Tumbling => Spans::Regular { size, every: size },
            WindowKind::Sliding => Spans::Regular { size, every },
            WindowKind::Session => Spans::Session { gap },
        })
    }

    /// The aggregates, those that are right.
    fn compiled(&self, problems: &mut Vec<Problem>) -> Vec<Compiled> {
        if self.aggregates.is_empty() {
            let problem = Problem::new("aggregates", "expected at least one aggregate");
            problems.push(problem.with_help("like `aggregates: { events: count }`"));
        }
        let mut compiled = Vec::new();
        for (name, aggregate) in &self.aggregates {
            let place = format!("aggregates.{name}");
            if ["key", "start", "end"].contains(&name.as_str()) {
                problems.push(Problem::new(&place, format!("every window has a field `{name}` already")));
            } else if name.is_empty()
                || !name.chars().all(|sign| sign.is_alphanumeric() || "_-".contains(sign))
            {
                let problem = Problem::new(&place, format!("`{name}` cannot be the name of a field"));
                problems.push(problem.with_help("use letters, digits, `_` and `-`"));
            }
            match Compiled::new(name, aggregate) {
                Ok(aggregate) => compiled.push(aggregate),
                Err(problem) => {
                    problems.push(problem.under(&format!("{place}.{}", aggregate.function.word())));
                }
            }
        }
        compiled
    }

    fn counter(&self, component: &str) -> std::result::Result<Counter, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut compile = |name: &str, text: &Option<Located>| {
            let compiled = text.as_ref().map(Expression::compile).transpose();
            compiled.map_err(|problem| problems.push(problem.under(name))).ok().flatten()
        };
        let (key, time) = (compile("key", &self.key), compile("time", &self.time));
        let aggregates = self.compiled(&mut problems);
        for (name, value) in [("max_windows", self.max_windows), ("max_distinct", self.max_distinct)] {
            if !(1..=1_000_000).contains(&value) {
                problems.push(Problem::new(name, format!("expected 1 to 1000000, found {value}")));
            }
        }
        let spans = self.spans().map_err(|more| problems.extend(more)).ok();
        match spans.filter(|_| problems.is_empty()) {
            None => Err(problems),
            Some(spans) => Ok(Counter {
                component: component.into(),
                key,
                time,
                spans,
                lateness: i64::try_from(self.lateness.0.as_millis()).unwrap_or(i64::MAX),
                aggregates,
                late: self.late,
                max_windows: self.max_windows,
                max_distinct: self.max_distinct,
            }),
        }
    }
}

/// Ten years.
const MOST_MILLISECONDS: i64 = 315_576_000_000;

#[async_trait]
impl TransformSpec for Window {
    const TYPE: &'static str = "window";

    fn remembers(&self) -> bool {
        true
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.counter("").err().unwrap_or_default()
    }

    fn outputs(&self, _cx: &CheckContext<'_>) -> Vec<String> {
        Vec::from_iter((self.late == Late::Output).then(|| LATE.to_owned()))
    }

    async fn build(self, cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let counter = self.counter(&cx.component).map_err(|problems| {
            let told = problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
            Error::config(told.collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(counter))
    }
}

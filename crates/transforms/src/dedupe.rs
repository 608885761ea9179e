//! The `dedupe` transform: of events with the same key, the first goes on.
//!
//! Invariant: what is remembered depends on the events alone, in their order, so a page that comes again after a crash
//! meets the memory from before it and passes the same events.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    CheckContext, Context, DeadLetterError, DiscardReason, Effect, Error, Event, Located, Memory, Outputs,
    Period, Problem, Reason, Result, ScriptFiles, StatefulTransform, Timestamp, Transform, TransformSpec,
};
use sluicebox_rules::Expression;

use crate::grouping::{text_key, value_key};

/// Lets the first event of a key through and discards those that repeat it (counted as `duplicate`).
///
/// Two events repeat each other if their keys are equal and their times (`meta.time`) less than `within` apart. What has
/// passed is remembered until an event arrives that is newer by `within` than the newest one was then: nothing depends
/// on the clock, so a feed that is read again from the start, fast, passes the same events. An event that comes late is
/// compared like any other; one that is so late that its key has been forgotten passes.
///
/// Each account of a source is remembered by itself. What is remembered is saved together with the cursor, in one
/// commit, so that neither a restart nor a crash forgets a key or takes an event for its own repeat. Repeats among the
/// last 1,000 ids of an account are discarded without `dedupe`, but only within one run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "key": "event.data.paymentId", "within": "24h" }))]
pub struct Dedupe {
    /// What tells events apart, an expression. Lists and maps are compared by their content, and the text `1` is not
    /// the number 1. Unset: `meta.id`.
    #[serde(default)]
    #[schemars(schema_with = "expression", example = "event.data.paymentId")]
    pub key: Option<Located>,
    /// How far apart in time two events may be and still repeat each other.
    pub within: Period,
    /// Most keys that are remembered of one account. With more, the oldest are forgotten, and their repeats pass: the
    /// metric `sluicebox_state_entries` shows how many there are.
    #[serde(default = "default_max_keys")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_keys: usize,
    /// What becomes of an event that has no key, because the expression finds nothing.
    #[serde(default)]
    pub on_missing: OnMissingKey,
}

/// What becomes of an event without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissingKey {
    /// It is a dead letter with reason `validation`.
    #[default]
    DeadLetter,
    /// It goes on, and is not remembered.
    Pass,
    /// It is discarded (counted as `filtered`).
    Drop,
}

fn default_max_keys() -> usize {
    100_000
}

/// An expression that may be left out, for the reference and the review of rules.
pub(crate) fn expression(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "null"], "format": "located", "x-rule": "expression" })
}

impl Dedupe {
    fn compile(&self) -> std::result::Result<Gate, Vec<Problem>> {
        let mut problems = Vec::new();
        let key = self.key.as_ref().map(Expression::compile).transpose();
        let key = key.map_err(|problem| problems.push(problem.under("key"))).ok().flatten();
        let within = i64::try_from(self.within.0.as_millis()).ok().filter(|within| *within > 0);
        if within.is_none() {
            let problem =
                Problem::new("within", format!("expected a time longer than nothing, found {}", self.within));
            problems.push(problem.with_help("like `within: 24h`"));
        }
        if !(1..=10_000_000).contains(&self.max_keys) {
            problems
                .push(Problem::new("max_keys", format!("expected 1 to 10000000, found {}", self.max_keys)));
        }
        match within {
            Some(within) if problems.is_empty() => {
                Ok(Gate { key, within, max_keys: self.max_keys, on_missing: self.on_missing })
            }
            _ => Err(problems),
        }
    }
}

#[async_trait]
impl TransformSpec for Dedupe {
    const TYPE: &'static str = "dedupe";

    fn effect(&self, _component: &str) -> Effect {
        Effect::None
    }

    fn remembers(&self) -> bool {
        true
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.compile().err().unwrap_or_default()
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let gate = self.compile().map_err(|problems| {
            let told = problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
            Error::config(told.collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(gate))
    }
}

struct Gate {
    key: Option<Expression>,
    /// Milliseconds.
    within: i64,
    max_keys: usize,
    on_missing: OnMissingKey,
}

impl Gate {
    fn judge(&self, index: usize, event: Event, memory: &mut Memory, out: &mut Outputs) {
        let time = event.meta().time;
        memory.advance(time);
        let key = match &self.key {
            None => text_key(&event.meta().id),
            Some(expression) => match expression.evaluate(&event) {
                Ok(value) if value.is_null() => return self.without_key(index, event, out),
                Ok(value) => value_key(&value),
                Err(error) => return out.dead_letter(index, event, error.reason(), error.into()),
            },
        };
        let passed = memory.get(&key).and_then(read_time);
        if passed.is_some_and(|passed| passed.abs_diff(time.as_millis()) < self.within.unsigned_abs()) {
            return out.discard(index, DiscardReason::Duplicate);
        }
        // A late event of another time leaves the newer one remembered.
        if passed.is_none_or(|passed| passed < time.as_millis()) {
            let newest = memory.time().unwrap_or(time);
            let until = Timestamp::from_millis(newest.as_millis().saturating_add(self.within));
            memory.put(&key, Bytes::copy_from_slice(&time.as_millis().to_le_bytes()), Some(until));
        }
        out.emit(index, event);
    }

    fn without_key(&self, index: usize, event: Event, out: &mut Outputs) {
        match self.on_missing {
            OnMissingKey::Pass => out.emit(index, event),
            OnMissingKey::Drop => out.discard(index, DiscardReason::Filtered),
            OnMissingKey::DeadLetter => {
                let error = DeadLetterError {
                    help: Some(
                        "give a default, like `event.a ?? \"none\"`, or use `on_missing: pass`".to_owned(),
                    ),
                    ..DeadLetterError::new("expected a value for `key`, found nothing")
                };
                out.dead_letter(index, event, Reason::Validation, error);
            }
        }
    }
}

fn read_time(bytes: &Bytes) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.as_ref().try_into().ok()?))
}

impl StatefulTransform for Gate {
    fn max_entries(&self) -> usize {
        self.max_keys
    }

    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            self.judge(index, event, memory, out);
        }
        Ok(())
    }
}

#[async_trait]
impl Transform for Gate {
    async fn apply(&self, _batch: Vec<Event>, _out: &mut Outputs) -> Result<()> {
        Err(Error::config("`dedupe` remembers, and was given no memory"))
    }

    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        Some(self)
    }
}

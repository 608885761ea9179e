//! The `map` transform: reshapes events by a list of changes, without a script.
//!
//! Invariant: what no entry names keeps its bytes, and an event that cannot be reshaped is a dead letter as it came.

mod assigned;
mod cast;
mod conflicts;
mod number;
pub(crate) mod path;
mod plan;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use sluicebox_core::{
    CheckContext, Context, Error, Event, Outputs, Problem, Result, ScriptFiles, Transform, TransformSpec,
};

use conflicts::conflicts;
use plan::{Failure, Plan};

pub use assigned::Assigned;
pub use cast::CastType;

/// Reshapes events without a script: renames, sets, fills in, casts and removes fields.
///
/// The steps always happen in this order, wherever they stand in the file: `rename`, `set`, `defaults`, `cast`,
/// `remove`, `keep`. Entries of one step do not see each other; for another order use two of these transforms. Entries
/// that contradict each other are reported by `check`.
///
/// Paths lead into the event and are written as in a rule, without `event.`: `data.amount`, `items[0].name`,
/// `data["a-b"]`. A field that is `null` counts as missing. Maps that are missing on the way to a field are made; where
/// text, a number or a list is in the way, the event is a dead letter with reason `validation`.
///
/// What no entry names keeps its bytes, and so does a value that is only moved: numbers such as 1.10 or
/// 12345678901234567890 stay as they are. An event that fails is a dead letter as it came, `script` if an expression
/// failed and `validation` if a value did not fit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "rename": { "data.amountUsd": "amount_usd" },
    "set": { "amount_eur": "event.amount_usd * 0.92", "currency": { "value": "EUR" } },
    "defaults": { "data.note": "" },
    "cast": { "createdAt": "timestamp" },
    "remove": ["data.internal"]
}))]
pub struct Map {
    /// First: fields that move, from path to path. One that is missing is passed over; what is at the new path is
    /// replaced. Two fields can swap their names.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "data.amountUsd": "amount_usd" }))]
    pub rename: BTreeMap<String, String>,
    /// Second: fields that are set, by path. Text, a number, true or false is an expression over `event` (after
    /// `rename`) and `meta`, as in `when:`, so a constant text has quotes of its own: `'"EUR"'`. `{value: EUR}` is the
    /// value as it stands, `{text: "{{ event.a }} of {{ event.b }}"}` a template. An expression that is nothing but a
    /// path (`event.data.amount`) takes the value with its bytes; one that finds nothing sets `null`.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "total": "event.price * event.count", "currency": { "value": "EUR" } }))]
    pub set: BTreeMap<String, Assigned>,
    /// Third: values for fields that are missing or null, by path; they are taken as they stand and are no expressions.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "data.currency": "USD", "tags": [] }))]
    pub defaults: BTreeMap<String, serde_json::Value>,
    /// Fourth: fields that become another type, by path: `integer`, `number`, `text`, `boolean`, `timestamp` (RFC 3339
    /// in UTC, from text with any offset, dates and Unix time) or `decimal_as_text` (a number as text with the digits it
    /// has). No cast rounds: 1.5 is no integer. A field that is missing or null stays so.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "data.amount": "number", "createdAt": "timestamp" }))]
    pub cast: BTreeMap<String, CastType>,
    /// What becomes of a value that cannot be cast: `dead_letter` gives up the event with reason `validation`, `null`
    /// puts `null` in its place, `keep` leaves it as it is.
    #[serde(default, deserialize_with = "null_is_a_word")]
    #[schemars(schema_with = "on_error")]
    pub on_error: OnCastError,
    /// Fifth: fields that go, by path.
    #[serde(default)]
    #[schemars(example = &["data.internal"])]
    pub remove: Vec<String>,
    /// Last: the only fields that stay, by path; everything else goes. Unset: all stay.
    #[serde(default)]
    #[schemars(length(min = 1), example = &["id", "data.amount"])]
    pub keep: Option<Vec<String>>,
}

/// What becomes of a value that cannot be cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCastError {
    /// The event is a dead letter with reason `validation`.
    #[default]
    DeadLetter,
    /// The value becomes `null`.
    Null,
    /// The value stays.
    Keep,
}

/// In YAML `null` without quotes is no text.
fn null_is_a_word<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<OnCastError, D::Error> {
    Option::<OnCastError>::deserialize(deserializer).map(|word| word.unwrap_or(OnCastError::Null))
}

fn on_error(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"],
        "enum": ["dead_letter", "null", "keep", null],
        "default": "dead_letter"
    })
}

impl Map {
    fn plan(&self) -> std::result::Result<Plan, Vec<Problem>> {
        let lists_are_empty = self.remove.is_empty() && self.keep.is_none() && self.rename.is_empty();
        if lists_are_empty && self.set.is_empty() && self.defaults.is_empty() && self.cast.is_empty() {
            let problem = Problem::new("", "nothing is to be changed");
            let help = "add `rename`, `set`, `defaults`, `cast`, `remove` or `keep`";
            return Err(vec![problem.with_help(help)]);
        }
        let plan = Plan::compile(self)?;
        let problems = conflicts(&plan);
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }
}

#[async_trait]
impl TransformSpec for Map {
    const TYPE: &'static str = "map";

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.plan().err().unwrap_or_default()
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let plan = self.plan().map_err(|problems| {
            let told = problems.into_iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
            Error::config(told.collect::<Vec<_>>().join("; "))
        })?;
        Ok(Box::new(Mapper { plan }))
    }
}

struct Mapper {
    plan: Plan,
}

#[async_trait]
impl Transform for Mapper {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            match self.plan.apply(&event) {
                Ok(None) => out.emit(index, event),
                Ok(Some(json)) => out.emit(index, event.with_json(json)),
                Err(Failure(reason, error)) => out.dead_letter(index, event, reason, error),
            }
        }
        Ok(())
    }
}

//! The `grade` transform: a word for how dear an order is.
//!
//! Invariant: what it makes of an event depends on nothing but the event and its options.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluicebox_core::{
    CheckContext, Context, DeadLetterError, Effect, Event, Outputs, Problem, Reason, Result, ScriptFiles,
    Transform, TransformSpec,
};

/// Adds the field `grade` to each event: the word for the highest price that it reaches.
///
/// An event whose price is no number becomes a dead letter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grade {
    /// The field that holds the price.
    field: String,
    /// The least price of each word, like `{ small: 0, dear: 100 }`.
    grades: BTreeMap<String, f64>,
}

#[async_trait]
impl TransformSpec for Grade {
    const TYPE: &'static str = "grade";

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.grades.is_empty() {
            problems
                .push(Problem::new("grades", "expected at least one grade").with_help("like `{ small: 0 }`"));
        }
        problems
    }

    /// For `check`, which then knows this field in the rules below.
    fn effect(&self, _component: &str) -> Effect {
        Effect::Adds("grade".to_owned())
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let mut steps: Vec<(String, f64)> = self.grades.into_iter().collect();
        steps.sort_by(|left, right| right.1.total_cmp(&left.1));
        Ok(Box::new(Grader { field: self.field, steps }))
    }
}

struct Grader {
    field: String,
    /// The dearest first.
    steps: Vec<(String, f64)>,
}

#[async_trait]
impl Transform for Grader {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, mut event) in batch.into_iter().enumerate() {
            match self.price(&event) {
                Some(price) => {
                    let step = self.steps.iter().find(|(_, least)| price >= *least);
                    let word = step.map_or(Value::Null, |(word, _)| Value::from(word.as_str()));
                    event.append("grade", Bytes::from(word.to_string()));
                    out.emit(index, event);
                }
                None => {
                    let error = DeadLetterError::new(format!("`{}` is no number", self.field));
                    out.dead_letter(index, event, Reason::Rejected, error);
                }
            }
        }
        Ok(())
    }
}

impl Grader {
    fn price(&self, event: &Event) -> Option<f64> {
        let json: Value = serde_json::from_slice(&event.json()).ok()?;
        json.get(&self.field)?.as_f64()
    }
}

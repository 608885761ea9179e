//! The `validate` transform: its options, which are its reference page.
//!
//! Source: JSON Schema, drafts 2020-12 and 7. Invariant: a schema is whole before the first event: nothing is fetched,
//! and no file is read, while events flow.

mod compile;
mod describe;
mod place;
mod references;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluicebox_core::{
    CheckContext, Context, DeadLetterError, DiscardReason, Effect, Error, Event, Outputs, Problem, Reason,
    Result, ScriptFiles, Transform, TransformSpec,
};

/// The named output of events that do not fit.
const INVALID: &str = "invalid";

/// Lets through the events that fit a JSON Schema.
///
/// What does not fit becomes a dead letter with reason `validation`; with `on_invalid: route` it goes on unchanged on
/// the named output `invalid` (`inputs: [name.invalid]`), with `drop` it is discarded (counted as `filtered`). The error
/// names the field, what was expected and what was found, for the first five faults, and counts the others.
///
/// Schemas are those of drafts 2020-12 (unless `$schema` says otherwise) and 7. `$ref` leads to a place in the same
/// schema, or to a file in or below the schema's folder, by a relative name; a schema is never fetched from an address,
/// also where `$id` is one. A schema that is not valid is reported by `check`, with its place.
///
/// Formats are asserted, unlike in the standard's default: `date-time`, `date`, `time`, `email`, `uri`, `hostname`, `ipv4`,
/// `ipv6`, `uuid` (since draft 2019-09) and the others that the standard names; one that it does not name is ignored.
/// With `formats: false` none is asserted. `pattern` may use look-around; one that takes too long on an event counts as not matched.
///
/// Events pass byte for byte. Of repeated keys the last one counts, and integers beyond 64 bits are compared as floats.
/// An event that JSON allows but no program can hold (half a surrogate pair, `1e400`, more than 127 levels) is a dead
/// letter with reason `parse`, whatever `on_invalid` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "schema": {
        "type": "object",
        "required": ["id", "data"],
        "properties": { "data": { "properties": { "amountUsd": { "type": "number", "minimum": 0 } } } }
    }
}))]
#[schemars(example = serde_json::json!({ "file": "schemas/payment.json", "on_invalid": "route" }))]
pub struct Validate {
    /// The schema itself. Either this or `file`.
    #[serde(default)]
    pub schema: Option<Value>,
    /// The schema's file (JSON), relative to the pipeline file. Either this or `schema`.
    #[serde(default)]
    #[schemars(example = "schemas/payment.json")]
    pub file: Option<String>,
    /// What becomes of an event that does not fit.
    #[serde(default)]
    pub on_invalid: OnInvalid,
    /// With `on_invalid: route`: the top-level field of the event that gets the faults, a list of texts; unset: the event
    /// stays as it is.
    #[serde(default)]
    #[schemars(example = &"faults")]
    pub faults_into: Option<String>,
    /// Whether `format` is asserted.
    #[serde(default = "asserted")]
    pub formats: bool,
}

/// What becomes of an event that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInvalid {
    /// It becomes a dead letter with reason `validation`.
    #[default]
    DeadLetter,
    /// It goes on, on the output `invalid`.
    Route,
    /// It is discarded (counted as `filtered`).
    Drop,
}

fn asserted() -> bool {
    true
}

impl Validate {
    fn compile(&self, files: &dyn ScriptFiles) -> Result<Validator, Problem> {
        match (&self.schema, &self.file) {
            (Some(schema), None) => compile::inline(schema, self.formats, files),
            (None, Some(file)) => compile::of_file(file, self.formats, files),
            (None, None) => {
                Err(Problem::new("", "a schema is missing").with_help("add `file:` or `schema:`"))
            }
            (Some(_), Some(_)) => {
                Err(Problem::new("file", "both `file` and `schema` are given")
                    .with_help("keep one of the two"))
            }
        }
    }

    fn contradiction(&self) -> Option<Problem> {
        let field = self.faults_into.as_deref()?;
        if self.on_invalid != OnInvalid::Route {
            return Some(Problem::new("faults_into", "this needs `on_invalid: route`"));
        }
        let is_name = !field.is_empty() && !field.contains('.');
        (!is_name).then(|| Problem::new("faults_into", "expected the name of a top-level field"))
    }
}

#[async_trait]
impl TransformSpec for Validate {
    const TYPE: &'static str = "validate";

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        self.compile(cx.files).err().into_iter().chain(self.contradiction()).collect()
    }

    fn outputs(&self, _cx: &CheckContext<'_>) -> Vec<String> {
        match self.on_invalid {
            OnInvalid::Route => vec![INVALID.to_owned()],
            OnInvalid::DeadLetter | OnInvalid::Drop => Vec::new(),
        }
    }

    fn effect(&self, _component: &str) -> Effect {
        self.faults_into.clone().map_or(Effect::None, Effect::Adds)
    }

    async fn build(self, _cx: &Context, files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let validator = self.compile(files).map_err(|problem| {
            let error = Error::config(format!("the schema cannot be used: {}", problem.message));
            problem.help.into_iter().fold(error, Error::with_help)
        })?;
        Ok(Box::new(Gate { validator, on_invalid: self.on_invalid, faults_into: self.faults_into }))
    }
}

struct Gate {
    validator: Validator,
    on_invalid: OnInvalid,
    faults_into: Option<String>,
}

impl Gate {
    fn refuse(&self, index: usize, mut event: Event, value: &Value, out: &mut Outputs) {
        match self.on_invalid {
            OnInvalid::Drop => out.discard(index, DiscardReason::Filtered),
            OnInvalid::DeadLetter => {
                let error = DeadLetterError::new(describe::sentence(&self.validator, value));
                out.dead_letter(index, event, Reason::Validation, error);
            }
            OnInvalid::Route => {
                if let Some(field) = &self.faults_into {
                    let (faults, _) = describe::faults(&self.validator, value);
                    event.append(field.as_str(), Value::from(faults).to_string().into());
                }
                out.emit_to(index, INVALID, event);
            }
        }
    }
}

#[async_trait]
impl Transform for Gate {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            match serde_json::from_slice::<Value>(&event.json()) {
                Ok(value) if self.validator.is_valid(&value) => out.emit(index, event),
                Ok(value) => self.refuse(index, event, &value, out),
                Err(error) => {
                    let error = DeadLetterError::new(format!("the event cannot be read: {error}"));
                    out.dead_letter(index, event, Reason::Parse, error);
                }
            }
        }
        Ok(())
    }
}

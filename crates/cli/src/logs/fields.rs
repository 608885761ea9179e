//! The fields of one log event, sorted into those with a fixed place and the rest.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// What an event says.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// The sentence.
    pub(crate) message: String,
    pub(crate) pipeline: Option<String>,
    pub(crate) component: Option<String>,
    pub(crate) account: Option<String>,
    /// The stable name of what happened.
    pub(crate) event: Option<String>,
    /// Everything else, in the order of the call.
    pub(crate) rest: Map<String, Value>,
}

impl Fields {
    /// Reads the fields of an event.
    pub(crate) fn of(event: &tracing::Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    fn put(&mut self, field: &Field, value: Value) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            "message" => self.message = text(value),
            "pipeline" => self.pipeline = Some(text(value)),
            "component" => self.component = Some(text(value)),
            "account" => self.account = Some(text(value)),
            "event" => self.event = Some(text(value)),
            name => {
                self.rest.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
}

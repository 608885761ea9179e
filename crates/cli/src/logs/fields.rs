//! The fields of one log event, sorted into those with a fixed place and the rest.

use std::fmt;

use serde_json::{Map, Value};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

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
    /// Reads the fields of an event. Who speaks is asked of the spans around it where the event does not say: a
    /// source or an HTTP client need not know in which pipeline it runs.
    pub(crate) fn of<S, N>(event: &tracing::Event<'_>, context: &FmtContext<'_, S, N>) -> Self
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
    {
        let mut fields = Self::default();
        event.record(&mut fields);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Self>() {
                fields.pipeline = fields.pipeline.or_else(|| around.pipeline.clone());
                fields.component = fields.component.or_else(|| around.component.clone());
                fields.account = fields.account.or_else(|| around.account.clone());
            }
        }
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

/// Keeps the fields of every span for the events inside it.
pub(crate) struct SpanFields;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanFields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
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

//! What a request carries: the body for one event, and how the bodies of several are joined.
//!
//! Invariant: an event that is sent as it is keeps every byte, but for line breaks in JSON lines.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Event, Located, Problem, Result};
use sluicebox_rules::{Expression, Template, TemplateKind};

/// What is sent for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The event, byte for byte.
    #[default]
    Event,
    /// `{"meta": …, "event": …}`.
    Envelope,
    /// No body, for requests whose URL says it all.
    None,
    /// A text with `{{ … }}`.
    Template(Located),
    /// The value of an expression over `event` and `meta`, as JSON: `#{id: meta.id, amount: event.data.amount}`.
    Json(Located),
}

/// How many events a request carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Batching {
    /// One.
    #[default]
    One,
    /// A batch, as a JSON array.
    Array,
    /// A batch, one line each.
    JsonLines,
    /// A batch, joined by texts of your own.
    Joined(Frame),
}

/// The texts around and between the bodies of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Frame {
    /// Before the first.
    #[schemars(example = &"{\"records\":[")]
    pub before: String,
    /// Between two.
    #[schemars(example = &",")]
    pub between: String,
    /// After the last.
    #[schemars(example = &"]}")]
    pub after: String,
}

impl Batching {
    /// The frame of a batch; `None` for one event a request.
    pub(super) fn frame(&self) -> Option<Frame> {
        let frame = |before: &str, between: &str, after: &str| Frame {
            before: before.to_owned(),
            between: between.to_owned(),
            after: after.to_owned(),
        };
        match self {
            Self::One => None,
            Self::Array => Some(frame("[", ",", "]")),
            Self::JsonLines => Some(frame("", "\n", "\n")),
            Self::Joined(own) => Some(own.clone()),
        }
    }
}

impl Frame {
    /// The bodies of a batch as one.
    pub(super) fn join(&self, bodies: &[Bytes]) -> Bytes {
        let inner: usize = bodies.iter().map(|body| body.len() + self.between.len()).sum();
        let mut joined = Vec::with_capacity(self.before.len() + inner + self.after.len());
        joined.extend_from_slice(self.before.as_bytes());
        for (number, body) in bodies.iter().enumerate() {
            if number > 0 {
                joined.extend_from_slice(self.between.as_bytes());
            }
            joined.extend_from_slice(body);
        }
        joined.extend_from_slice(self.after.as_bytes());
        joined.into()
    }
}

/// A compiled [`Body`].
pub(super) struct Writer {
    form: Form,
    /// A line break between two tokens becomes a space.
    one_line: bool,
    /// What a template makes must be JSON, or it would spoil the whole array.
    must_be_json: bool,
}

enum Form {
    Event,
    Envelope,
    None,
    Template(Template),
    Json(Expression),
}

impl Writer {
    pub(super) fn new(body: &Body, batching: &Batching) -> Result<Self, Problem> {
        let form = match body {
            Body::Event => Form::Event,
            Body::Envelope => Form::Envelope,
            Body::None => Form::None,
            Body::Template(text) => Form::Template(
                Template::compile(text, TemplateKind::Text).map_err(|p| p.under("body.template"))?,
            ),
            Body::Json(text) => Form::Json(Expression::compile(text).map_err(|p| p.under("body.json"))?),
        };
        let must_be_json = *batching == Batching::Array;
        Ok(Self { form, one_line: *batching == Batching::JsonLines, must_be_json })
    }

    /// The body for one event.
    ///
    /// # Errors
    /// A dead letter.
    pub(super) fn write(&self, event: &Event) -> Result<Bytes> {
        match &self.form {
            Form::Event => Ok(self.line(event.json())),
            Form::None => Ok(Bytes::new()),
            Form::Envelope => {
                let failed =
                    |error| Error::permanent("the envelope cannot be written as JSON").with_cause(error);
                let mut text = b"{\"meta\":".to_vec();
                serde_json::to_writer(&mut text, event.meta()).map_err(failed)?;
                text.extend_from_slice(b",\"event\":");
                text.extend_from_slice(&event.json());
                text.push(b'}');
                Ok(self.line(text.into()))
            }
            Form::Json(expression) => {
                let value = expression.evaluate(event).map_err(|error| error.to_error("the body"))?;
                Ok(value.to_string().into())
            }
            Form::Template(template) => {
                let text = template.render(event).map_err(|error| error.to_error("the body"))?;
                if self.must_be_json
                    && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
                {
                    return Err(Error::permanent("the body that the template made is not JSON")
                        .with_help("write values as `{{ to_json(event.name) }}`")
                        .with_cause(error));
                }
                Ok(text.into())
            }
        }
    }

    fn line(&self, json: Bytes) -> Bytes {
        let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
        if !self.one_line || !json.iter().any(breaks) {
            return json;
        }
        json.iter().map(|byte| if breaks(byte) { b' ' } else { *byte }).collect()
    }
}

//! An aggregate of a window as the file gives it, and what one event adds to it.
//!
//! Invariant: an event is read whole before anything of it is counted, so one that fails is counted nowhere.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value, json};
use sluicebox_core::{Event, Located, Problem, Reason};
use sluicebox_rules::Expression;

use super::Refused;

/// What is computed over the events of a window: `count`, or one of these words with an expression
/// (`{sum: event.amount}`).
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub function: Function,
    /// Of what; `None`: of the events themselves, which only `count` can.
    pub of: Option<Located>,
}

/// The functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// How many events, or how many that have a value.
    Count,
    /// The sum of numbers.
    Sum,
    /// The lowest number, or the first text in the order of its letters.
    Min,
    /// The highest number, or the last text in the order of its letters.
    Max,
    /// The mean of numbers.
    Avg,
    /// How many different values.
    Distinct,
    /// The value of the earliest event.
    First,
    /// The value of the latest event.
    Last,
}

impl Function {
    /// All of them with their words.
    const WORDS: [(&'static str, Self); 8] = [
        ("count", Self::Count),
        ("sum", Self::Sum),
        ("min", Self::Min),
        ("max", Self::Max),
        ("avg", Self::Avg),
        ("distinct", Self::Distinct),
        ("first", Self::First),
        ("last", Self::Last),
    ];

    /// Its word in a pipeline file.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, known)| *known == self).map_or("count", |(word, _)| word)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, function)| function)
    }
}

impl<'de> Deserialize<'de> for Aggregate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unknown = || D::Error::custom("expected `count`, or one function like `{sum: event.amount}`");
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "count" => Ok(Self { function: Function::Count, of: None }),
            Value::Object(map) if map.len() == 1 => {
                let (word, of) = map.into_iter().next().ok_or_else(unknown)?;
                let function = Function::of_word(&word).ok_or_else(unknown)?;
                let of = serde_json::from_value::<Located>(of).map_err(D::Error::custom)?;
                Ok(Self { function, of: Some(of) })
            }
            _ => Err(unknown()),
        }
    }
}

impl JsonSchema for Aggregate {
    fn schema_name() -> Cow<'static, str> {
        "aggregate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut forms = vec![json!({ "type": "string", "const": "count" })];
        forms.extend(Function::WORDS.map(|(word, _)| {
            let expression = json!({ "type": "string", "format": "located", "x-interpolate": false });
            json!({
                "type": "object",
                "properties": Map::from_iter([(word.to_owned(), expression)]),
                "required": [word],
                "additionalProperties": false
            })
        }));
        json_schema!({
            "anyOf": forms,
            "x-help": "`count`, or a function and what it is taken of: `{sum: event.amount}`"
        })
    }
}

/// An aggregate, compiled.
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) function: Function,
    of: Option<Expression>,
}

/// Longest value, as JSON, that `min`, `max`, `first` and `last` keep.
const LONGEST_VALUE: usize = 16 << 10;

impl Compiled {
    /// # Errors
    /// What is wrong with the expression.
    pub(super) fn new(name: &str, aggregate: &Aggregate) -> Result<Self, Problem> {
        let of = aggregate.of.as_ref().map(Expression::compile).transpose()?;
        Ok(Self { name: name.to_owned(), function: aggregate.function, of })
    }

    /// What an event has for it; `None`: nothing, which no function counts.
    ///
    /// # Errors
    /// Why the event is a dead letter.
    pub(super) fn read(&self, event: &Event) -> Result<Option<Value>, Refused> {
        let Some(expression) = &self.of else { return Ok(Some(Value::Null)) };
        let value = expression.evaluate(event)?;
        if value.is_null() {
            return Ok(None);
        }
        let fits = match self.function {
            Function::Count | Function::Distinct => return Ok(Some(value)),
            Function::Sum | Function::Avg => value.is_number(),
            Function::Min | Function::Max => value.is_number() || value.is_string(),
            Function::First | Function::Last => true,
        };
        if !fits {
            return Err(self.misfit(&value));
        }
        let length = value.to_string().len();
        if length > LONGEST_VALUE {
            let message = format!(
                "the value for `{}` has {length} bytes, and at most {LONGEST_VALUE} are remembered",
                self.name
            );
            return Err(Refused::new(Reason::TooLarge, message, None));
        }
        Ok(Some(value))
    }

    fn misfit(&self, found: &Value) -> Refused {
        let is_sum = matches!(self.function, Function::Sum | Function::Avg);
        let expected = if is_sum { "a number" } else { "a number or text" };
        let kind = match found {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let help = (is_sum && found.is_string()).then_some("make a number of it: `decimal(event.amount)`");
        Refused::new(
            Reason::Validation,
            format!("expected {expected} for `{}`, found {kind}", self.name),
            help,
        )
    }
}

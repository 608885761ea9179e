//! Keys: how the value of an event and the value in an answer are held against each other.
//!
//! Invariant: one rule for every look-up. Keys are compared as text: text as it stands, a number in its shortest decimal
//! form (`1`, `1.0` and `1e0` are one key; `007` is text and another), `true` and `false` as words. What is missing or
//! null is no key, and finds nothing.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use sluicebox_core::{Event, Located, Problem};
use sluicebox_rules::{Expression, RuleError};

/// Integers up to here are exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A key as text; `None` for null, which is no key.
pub fn key_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number_text(number))),
        other => Some(Cow::Owned(other.to_string())),
    }
}

fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        #[allow(clippy::cast_possible_truncation, reason = "whole, and small enough to be exact")]
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            (float as i64).to_string()
        }
        _ => number.to_string(),
    }
}

/// One key, of one part or of several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Box<str>);

impl Key {
    /// A key of the texts of its parts; `None` if a part is missing.
    pub fn of<'a>(parts: impl ExactSizeIterator<Item = Option<Cow<'a, str>>>) -> Option<Self> {
        if parts.len() == 1 {
            return parts.flatten().next().map(|text| Self(text.into_owned().into()));
        }
        let mut all = String::new();
        for part in parts {
            // The length before each part: no two lists of parts are the same text.
            let part = part?;
            all.push_str(&part.len().to_string());
            all.push(':');
            all.push_str(&part);
        }
        Some(Self(all.into()))
    }

    /// Bytes that it keeps.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// What takes the key out of an event.
#[derive(Clone, Debug)]
pub struct Keys {
    expressions: Vec<Expression>,
}

impl Keys {
    /// Compiles the expressions of `rules`.
    ///
    /// # Errors
    /// What is wrong with each, with its path below `option`.
    pub fn compile(rules: &Rules, option: &str) -> Result<Self, Vec<Problem>> {
        let compiled = |(index, rule): (usize, &Located)| {
            let path = if rules.is_list { format!("{option}[{index}]") } else { option.to_owned() };
            Expression::compile(rule).map_err(|problem| problem.under(&path))
        };
        let (mut expressions, mut problems) = (Vec::new(), Vec::new());
        for one in rules.each.iter().enumerate().map(compiled) {
            match one {
                Ok(expression) => expressions.push(expression),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self { expressions }) } else { Err(problems) }
    }

    /// The values for an event, in order; missing is null.
    ///
    /// # Errors
    /// An expression failed on this event.
    pub fn values(&self, event: &Event) -> Result<Vec<Value>, RuleError> {
        self.expressions.iter().map(|expression| expression.evaluate(event)).collect()
    }

    /// The key of an event; `None` if a part of it is missing.
    ///
    /// # Errors
    /// An expression failed on this event.
    pub fn key(&self, event: &Event) -> Result<Option<Key>, RuleError> {
        Ok(Key::of(self.values(event)?.iter().map(key_text)))
    }
}

/// An option that is one expression, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The expressions.
    pub each: Vec<Located>,
    /// Whether they were written as a list, for the path of a problem.
    pub is_list: bool,
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RulesVisitor)
    }
}

struct RulesVisitor;

impl<'de> Visitor<'de> for RulesVisitor {
    type Value = Rules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an expression, or a list of expressions")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rules, E> {
        Ok(Rules { each: vec![Located::unplaced(text)], is_list: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rules, A::Error> {
        let one = Located::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Rules { each: vec![one], is_list: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Rules, A::Error> {
        let each = Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
        Ok(Rules { each, is_list: true })
    }
}

impl JsonSchema for Rules {
    fn schema_name() -> Cow<'static, str> {
        "rules".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({ "type": "string", "format": "located" });
        json_schema!({
            "x-rule": "expression",
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }]
        })
    }
}

/// An option that is one name, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMore(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or a list of names")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMore)
    }
}

impl JsonSchema for OneOrMore {
    fn schema_name() -> Cow<'static, str> {
        "one_or_more".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({ "type": "string", "minLength": 1 });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

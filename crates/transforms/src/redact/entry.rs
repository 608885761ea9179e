//! One entry of `paths`, `detect` or `patterns`: what it is about alone, or in a map with a `how` of its own.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, Visitor};
use sluicebox_core::Problem;

use super::disguise::How;

/// What an entry is about.
pub trait Subject: for<'de> Deserialize<'de> + JsonSchema {
    /// The keys of an entry that is a map: its own one, and `how`.
    const KEYS: [&'static str; 2];
    /// What is expected, in words.
    const EXPECTED: &'static str;
}

/// The path of a field.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventPath(pub String);

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pattern(pub String);

/// Something that is recognised in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// E-mail addresses.
    Email,
    /// Phone numbers.
    Phone,
    /// Numbers of payment cards.
    Card,
}

impl Subject for EventPath {
    const KEYS: [&'static str; 2] = ["path", "how"];
    const EXPECTED: &'static str = "a path like `data.email`, or a map with `path` and `how`";
}

impl Subject for Pattern {
    const KEYS: [&'static str; 2] = ["regex", "how"];
    const EXPECTED: &'static str = "a regular expression, or a map with `regex` and `how`";
}

impl Subject for Sort {
    const KEYS: [&'static str; 2] = ["find", "how"];
    const EXPECTED: &'static str = "`email`, `phone` or `card`, or a map with `find` and `how`";
}

/// An entry: what it is about, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<S> {
    /// What it is about.
    pub subject: S,
    /// What becomes of it; unset: what holds for all.
    pub how: Option<How>,
    /// Whether the entry was a map, for the path of a problem.
    is_map: bool,
}

impl<S: Subject> Rule<S> {
    /// A problem with what the entry, which stands at `path`, is about.
    pub(super) fn problem(&self, path: &str, problem: Problem) -> Problem {
        let problem = if self.is_map { problem.under(S::KEYS[0]) } else { problem };
        problem.under(path)
    }
}

impl<'de, S: Subject> Deserialize<'de> for Rule<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor(PhantomData))
    }
}

struct RuleVisitor<S>(PhantomData<S>);

impl<'de, S: Subject> Visitor<'de> for RuleVisitor<S> {
    type Value = Rule<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rule<S>, E> {
        let subject = S::deserialize(text.into_deserializer())?;
        Ok(Rule { subject, how: None, is_map: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rule<S>, A::Error> {
        let (mut subject, mut how) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            if key == S::KEYS[0] {
                subject = Some(map.next_value()?);
            } else if key == S::KEYS[1] {
                how = Some(map.next_value()?);
            } else {
                return Err(de::Error::unknown_field(&key, &S::KEYS));
            }
        }
        let subject = subject.ok_or_else(|| de::Error::missing_field(S::KEYS[0]))?;
        Ok(Rule { subject, how, is_map: true })
    }
}

impl<S: Subject> JsonSchema for Rule<S> {
    fn schema_name() -> Cow<'static, str> {
        format!("redact_{}", S::KEYS[0]).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let subject = generator.subschema_for::<S>();
        let how = generator.subschema_for::<How>();
        let [key, how_key] = S::KEYS;
        json_schema!({
            "anyOf": [
                subject,
                {
                    "type": "object",
                    "properties": { key: subject, how_key: how },
                    "required": [key],
                    "additionalProperties": false
                }
            ]
        })
    }
}

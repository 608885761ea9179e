//! Rules by which a user says what an answer means.
//!
//! Invariant: the first rule that fits an answer decides, and a rule that can never fit is refused when the file is
//! checked.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use sluicebox_core::Problem;
use sluicebox_http::Answer;

/// What certain answers mean. All conditions of an entry must hold.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// A status (`409`), a class of them (`5xx`), or a list of both; unset: any.
    #[serde(default)]
    pub status: Option<Statuses>,
    /// A text that the body holds.
    #[serde(default)]
    #[schemars(example = &"already exists")]
    pub contains: Option<String>,
    /// A place in the JSON of the body (a JSON pointer) that must be there.
    #[serde(default)]
    #[schemars(example = &"/error/code")]
    pub at: Option<String>,
    /// What is at that place: a text, or a number, `true`, `false` or `null` as JSON writes it.
    #[serde(default)]
    #[schemars(example = &"duplicate")]
    pub equals: Option<String>,
    /// What becomes of the event.
    pub then: Then,
}

/// What becomes of an event after a certain answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is sent again later; its key waits.
    Retry,
    /// It becomes a dead letter.
    DeadLetter,
    /// The sink pauses, and keeps its position.
    Pause,
    /// It counts as delivered.
    Accept,
}

/// What becomes of an event whose request may have been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownOutcome {
    /// It is sent again: it may arrive twice, and is never lost.
    #[default]
    Retry,
    /// It becomes a dead letter: a person decides.
    DeadLetter,
    /// The sink pauses.
    Pause,
}

/// Statuses and classes of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    fn hold(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// Redirects never reach a rule: they are errors.
    fn can_fit(&self) -> bool {
        self.0.iter().any(|range| !(300..400).contains(range.start()))
    }
}

impl ErrorRule {
    /// Whether the answer is one of those that the rule is about.
    pub(super) fn fits(&self, answer: &Answer) -> bool {
        let has_status = self.status.as_ref().is_none_or(|statuses| statuses.hold(answer.status.as_u16()));
        let body = || String::from_utf8_lossy(&answer.body);
        has_status
            && self.contains.as_ref().is_none_or(|text| body().contains(text.as_str()))
            && self.at.as_ref().is_none_or(|pointer| self.fits_at(pointer, &answer.body))
    }

    fn fits_at(&self, pointer: &str, body: &[u8]) -> bool {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
        let Some(found) = body.pointer(pointer) else { return false };
        let Some(wanted) = &self.equals else { return true };
        match found {
            Value::String(found) => found == wanted,
            other => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *other),
        }
    }

    fn problem(&self) -> Option<Problem> {
        let problem = |path: &str, message: &str| Some(Problem::new(path, message));
        match self {
            Self { status: None, contains: None, at: None, .. } => {
                problem("", "expected at least one of `status`, `contains` and `at`")
            }
            Self { at: None, equals: Some(_), .. } => problem("equals", "this needs `at`"),
            Self { at: Some(pointer), .. } if !pointer.starts_with('/') => {
                problem("at", "expected a JSON pointer like `/error/code`")
            }
            Self { status: Some(statuses), .. } if !statuses.can_fit() => {
                problem("status", "redirects are errors, whatever the rules say")
            }
            _ => None,
        }
    }
}

/// What is wrong with the rules.
pub(super) fn problems(rules: &[ErrorRule]) -> Vec<Problem> {
    let faults = rules.iter().enumerate();
    faults.filter_map(|(index, rule)| Some(rule.problem()?.under(&format!("errors[{index}]")))).collect()
}

const EXPECTED: &str = "a status (`409`), a class (`5xx`), or a list of both";

struct StatusVisitor;

impl<'de> Visitor<'de> for StatusVisitor {
    type Value = Statuses;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: de::Error>(self, status: u64) -> Result<Statuses, E> {
        match u16::try_from(status) {
            Ok(status @ 200..=599) => Ok(Statuses(vec![status..=status])),
            _ => Err(E::custom(format!("expected {EXPECTED}, found {status}"))),
        }
    }

    fn visit_i64<E: de::Error>(self, status: i64) -> Result<Statuses, E> {
        self.visit_u64(u64::try_from(status).unwrap_or_default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
        let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        match (class.filter(|class| (2..=5).contains(class)), text.parse::<u64>()) {
            (Some(class), _) => Ok(Statuses(vec![class * 100..=class * 100 + 99])),
            (None, Ok(status)) => self.visit_u64(status),
            (None, Err(_)) => Err(E::custom(format!("expected {EXPECTED}, found `{text}`"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Statuses, A::Error> {
        let mut ranges = Vec::new();
        while let Some(Statuses(more)) = items.next_element()? {
            ranges.extend(more);
        }
        if ranges.is_empty() {
            return Err(de::Error::custom(format!("expected {EXPECTED}, found an empty list")));
        }
        Ok(Statuses(ranges))
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = [
            serde_json::json!({ "type": "integer", "minimum": 200, "maximum": 599 }),
            serde_json::json!({ "type": "string", "pattern": "^[2-5]xx$" }),
        ];
        json_schema!({
            "oneOf": [one[0], one[1], { "type": "array", "minItems": 1, "items": { "oneOf": one } }],
            "description": EXPECTED
        })
    }
}

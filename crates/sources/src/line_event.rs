//! From a line or row of text to an event, or to a reject that becomes a dead letter; shared by `file` and `stdin`.
//!
//! Invariant: a line that is a JSON object stays as it came, byte for byte; any other becomes a dead letter whose event is
//! the line as a JSON text.

use std::borrow::Cow;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sluicebox_core::{DeadLetterError, Event, Problem, Reason, Reject, Timestamp};
use sluicebox_polling::path::{Path, find_all};

use crate::item::{Origin, Said};
use crate::page;

/// Where a line says what it is. Paths are like `data.type`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineEventOptions {
    /// The type (`meta.type`). Unset or not there: the type of the source.
    #[serde(default, rename = "type")]
    #[schemars(example = &"type")]
    pub event_type: Option<String>,
    /// The time (`meta.time`), RFC 3339 or a number of milliseconds since 1970. Unset, not there or odd: the time of
    /// reading.
    #[serde(default)]
    #[schemars(example = &"createdAt")]
    pub time: Option<String>,
}

/// The paths of a line, ready to be followed.
#[derive(Clone, Debug)]
pub(crate) struct LinePaths {
    event_type: Option<Path>,
    time: Option<Path>,
    default_type: &'static str,
}

/// One line with its name.
pub(crate) struct Line<'a> {
    /// The id, unique within the account.
    pub(crate) id: &'a str,
    /// Without what ends it.
    pub(crate) text: Bytes,
}

impl LinePaths {
    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(crate) fn compile(
        options: &LineEventOptions,
        default_type: &'static str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut path = |name: &str, text: &Option<String>| {
            let parsed = Path::parse(text.as_deref()?);
            parsed.map_err(|why| problems.push(Problem::new(format!("event.{name}"), why))).ok()
        };
        let (event_type, time) = (path("type", &options.event_type), path("time", &options.time));
        Self { event_type, time, default_type }
    }

    /// The event of a line, or why it is none.
    pub(crate) fn event(
        &self,
        line: &Line<'_>,
        origin: &Origin,
        received: Timestamp,
    ) -> Result<Event, Box<Reject>> {
        let refuse = |why: &str| {
            let error = DeadLetterError::new(why);
            Box::new(reject(origin, line.id, &line.text, (Reason::Parse, error), received))
        };
        let text = std::str::from_utf8(&line.text).map_err(|_| refuse("the line is not UTF-8 text"))?;
        if !text.starts_with('{') {
            return Err(refuse("the line is not a JSON object"));
        }
        let paths: Vec<&Path> = self.event_type.iter().chain(&self.time).collect();
        let found = find_all(text, &paths)
            .map_err(|error| refuse(&format!("the line is not a JSON object: {error}")))?;
        let (types, times) = found.split_at(usize::from(self.event_type.is_some()));
        let event_type = types.first().and_then(|value| page::text(*value));
        let time = times.first().and_then(|value| instant(*value));
        let event_type = event_type.unwrap_or(Cow::Borrowed(self.default_type));
        let said = Said { id: line.id, event_type: &event_type, time, key: None };
        Ok(origin.event(line.text.clone(), &said, received))
    }
}

/// The reject of what is no event, with its text (or the beginning of it) as a JSON text.
pub(crate) fn reject(
    origin: &Origin,
    id: &str,
    text: &[u8],
    (reason, error): (Reason, DeadLetterError),
    received: Timestamp,
) -> Reject {
    let raw = serde_json::Value::from(String::from_utf8_lossy(text)).to_string();
    let said = Said { id, event_type: "", time: None, key: None };
    Reject { event: origin.event(Bytes::from(raw), &said, received), reason, error }
}

/// What is left of a line without what ends it and blanks around it.
pub(crate) fn trimmed(line: &Bytes) -> Bytes {
    line.slice_ref(line.trim_ascii())
}

fn instant(value: Option<&RawValue>) -> Option<Timestamp> {
    let text = page::text_or_integer(value)?;
    match text.parse::<i64>() {
        Ok(milliseconds) => Some(Timestamp::from_millis(milliseconds)),
        Err(_) => Timestamp::parse(&text),
    }
}

/// A number that stands for a text, for an id where there is no place.
pub(crate) fn digest(text: &[u8]) -> u64 {
    Sha256::digest(text).iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
}

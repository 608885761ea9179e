//! What an item says about itself: where its id, type, time and key are.
//!
//! Invariant: an item stays as it came, byte for byte; one without an id is a reject, and its page goes on.

use std::borrow::Cow;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicebox_core::{Event, Problem, Reject, Timestamp};
use sluicebox_polling::item::{Origin, Said};
use sluicebox_polling::page;
use sluicebox_polling::path::{Path, find_all};

use super::several::Several;

/// Where an item says who it is. Paths are like `data.id`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventOptions {
    /// The id, unique within the account; several paths are joined by `/`. An item without it is a dead letter.
    #[schemars(example = &"id")]
    pub id: Several<String>,
    /// What all items belong to where they do not say it themselves, like the channel that is asked for. It begins the
    /// id, before a `/`, and is the key of items that have none.
    #[serde(default)]
    #[schemars(example = &"C024BE91L")]
    pub within: Option<String>,
    /// The type; of several paths the first that is there counts. Unset: the type of the source.
    #[serde(default, rename = "type")]
    #[schemars(example = "type")]
    pub event_type: Several<String>,
    /// Names of fields of which an item has one, which then is its type: for APIs that say `{"message": …}`. Looked at
    /// if no path of `type` leads to one.
    #[serde(default)]
    pub type_keys: Vec<String>,
    /// The time; of several paths the first that is there counts. One that is missing or odd is replaced by the time of
    /// receipt.
    #[serde(default)]
    #[schemars(example = &"createdAt")]
    pub time: Several<String>,
    /// How the time is written.
    #[serde(default)]
    pub time_format: TimeFormat,
    /// The ordering key; of several paths the first that is there counts. Unset or not there: the account.
    #[serde(default)]
    pub key: Several<String>,
}

/// How an API writes a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// `2026-06-12T10:00:00.000Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970, as a number or a text, with or without a fraction.
    Seconds,
    /// Milliseconds since 1970, as a number or a text.
    Milliseconds,
}

/// The paths of an item, ready to be followed.
#[derive(Clone, Debug)]
pub(super) struct EventPaths {
    id: Vec<Path>,
    within: Option<String>,
    event_type: Vec<Path>,
    type_keys: Vec<Path>,
    time: Vec<Path>,
    key: Vec<Path>,
    time_format: TimeFormat,
    /// What an item's type is if no path leads to one.
    default_type: String,
}

impl EventPaths {
    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(super) fn compile(options: &EventOptions, default_type: &str, problems: &mut Vec<Problem>) -> Self {
        if options.id.0.is_empty() {
            problems.push(Problem::new("event.id", "an event needs an id"));
        }
        let mut several = |name: &str, texts: &[String]| -> Vec<Path> {
            texts.iter().filter_map(|text| path(&format!("event.{name}"), text, problems)).collect()
        };
        let (id, event_type) = (several("id", &options.id.0), several("type", &options.event_type.0));
        let (key, time) = (several("key", &options.key.0), several("time", &options.time.0));
        let type_keys = several("type_keys", &options.type_keys);
        let within = options.within.clone();
        if within.as_deref() == Some("") {
            problems.push(Problem::new("event.within", "expected a text, found an empty one"));
        }
        let (time_format, default_type) = (options.time_format, default_type.to_owned());
        Self { id, within, event_type, type_keys, time, key, time_format, default_type }
    }

    /// The places that are looked up in every item, in the order in which [`event`](Self::event) takes them.
    pub(super) fn places(&self) -> Vec<&Path> {
        let groups = [&self.id, &self.event_type, &self.type_keys, &self.key, &self.time];
        groups.into_iter().flatten().collect()
    }

    /// The event of one item, or why it is none; `places` are those of [`places`](Self::places).
    pub(super) fn event(
        &self,
        raw: &Bytes,
        places: &[&Path],
        origin: &Origin,
        received: Timestamp,
    ) -> Result<Event, Box<Reject>> {
        let refuse = |why: &str| Box::new(origin.reject(raw.clone(), why, received));
        let text = std::str::from_utf8(raw).ok().filter(|text| text.starts_with('{'));
        let text = text.ok_or_else(|| refuse("the item is not a JSON object"))?;
        let values = find_all(text, places).map_err(|_| refuse("the item is not a JSON object"))?;
        let (ids, rest) = values.split_at(self.id.len());
        let (types, rest) = rest.split_at(self.event_type.len());
        let (type_keys, rest) = rest.split_at(self.type_keys.len());
        let (keys, times) = rest.split_at(self.key.len());
        let mut id = self.within.as_deref().map(Cow::Borrowed);
        for (path, value) in self.id.iter().zip(ids) {
            let part = scalar(*value).filter(|part| !part.is_empty());
            let part = part.ok_or_else(|| refuse(&format!("the event has no `{path}`")))?;
            id = Some(id.map_or(part.clone(), |id| Cow::Owned(format!("{id}/{part}"))));
        }
        let id = id.unwrap_or_default();
        let event_type = match types.iter().find_map(|value| scalar(*value)) {
            Some(event_type) => event_type,
            None => match self.type_keys.iter().zip(type_keys).find(|(_, value)| value.is_some()) {
                Some((key, _)) => Cow::Owned(key.to_string()),
                None => match self.event_type.first() {
                    Some(path) => return Err(refuse(&format!("the event has no `{path}`"))),
                    None => Cow::Borrowed(self.default_type.as_str()),
                },
            },
        };
        let key = keys.iter().find_map(|value| scalar(*value)).filter(|key| !key.is_empty());
        let key = key.or(self.within.as_deref().map(Cow::Borrowed));
        let time = times.iter().find_map(|value| self.time_format.read(&scalar(*value)?));
        let said = Said { id: &id, event_type: &event_type, time, key: key.as_deref() };
        Ok(origin.event(raw.clone(), &said, received))
    }

    /// The time of an item, if it says one.
    pub(super) fn time(&self, item: &RawValue) -> Option<Timestamp> {
        self.time.iter().find_map(|path| self.time_format.read(&scalar(path.find(item))?))
    }
}

impl TimeFormat {
    fn read(self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => Timestamp::parse(text),
            Self::Milliseconds => text.parse().ok().map(Timestamp::from_millis),
            Self::Seconds => {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let whole: i64 = whole.parse().ok()?;
                let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
                whole.checked_mul(1000)?.checked_add(milliseconds).map(Timestamp::from_millis)
            }
        }
    }
}

/// Reads a path of an option; what is wrong with it goes to `problems`.
pub(super) fn path(option: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Path> {
    match Path::parse(text) {
        Ok(path) => Some(path),
        Err(message) => {
            problems.push(Problem::new(option, message));
            None
        }
    }
}

/// The text of a JSON string, or a number as it is written; `None` for anything else.
pub(super) fn scalar(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    if raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        Some(Cow::Borrowed(raw))
    } else {
        page::text(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(options: Value, item: &str) -> Result<Event, Box<Reject>> {
        let mut problems = Vec::new();
        let options: EventOptions = serde_json::from_value(options).unwrap();
        let paths = EventPaths::compile(&options, "http_poll", &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let origin = Origin::new("http_poll", &sluicebox_testkit::context("p", "feed"));
        paths.event(
            &Bytes::copy_from_slice(item.as_bytes()),
            &paths.places(),
            &origin,
            Timestamp::from_millis(7),
        )
    }

    #[test]
    fn an_item_says_who_it_is_and_keeps_its_bytes() {
        let options = json!({
            "id": ["job", "at"], "type": ["data.kind", "kind"], "time": "at", "key": ["data.topic", "data.m.topic"]
        });
        let item = r#"{"job" : 7.10, "at":"2026-06-12T10:00:00.000Z","kind":"k","data":{"m":{"topic":"t"}}}"#;
        let event = read(options, item).unwrap();
        assert_eq!(event.json(), item.as_bytes());
        let meta = event.meta();
        assert_eq!(meta.id, format!("http_poll:{}:7.10/2026-06-12T10:00:00.000Z", meta.account));
        assert_eq!((meta.event_type.as_str(), meta.key.as_str()), ("k", "t"));
        assert_eq!(meta.time, Timestamp::parse("2026-06-12T10:00:00Z").unwrap());
    }

    #[test]
    fn what_all_items_belong_to_begins_the_id_and_is_the_key_of_those_that_have_none() {
        let options = json!({ "id": "ts", "within": "C1", "key": "thread" });
        let meta = |item: &str| read(options.clone(), item).unwrap().meta().clone();
        let plain = meta(r#"{"ts":"1512085950.000216"}"#);
        assert_eq!(plain.id, format!("http_poll:{}:C1/1512085950.000216", plain.account));
        assert_eq!(plain.key.as_str(), "C1");
        assert_eq!(meta(r#"{"ts":"2","thread":"1"}"#).key.as_str(), "1");
        assert!(read(options.clone(), "{}").unwrap_err().error.message.contains("no `ts`"));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let event = read(json!({ "id": "id", "time": "t", "key": "k" }), r#"{"id":"1","t":{}}"#).unwrap();
        assert_eq!(event.meta().event_type, "http_poll");
        assert_eq!(event.meta().time, Timestamp::from_millis(7));
        assert_eq!(*event.meta().key, *event.meta().account);
    }

    #[test]
    fn the_field_that_is_there_can_be_the_type() {
        let options = json!({ "id": "id", "type_keys": ["message", "poll"], "time": ["message.date", "poll.at"], "time_format": "seconds" });
        let event = read(options.clone(), r#"{"id":1,"poll":{"at":7}}"#).unwrap();
        assert_eq!((event.meta().event_type.as_str(), event.meta().time.as_millis()), ("poll", 7000));
        assert_eq!(read(options, r#"{"id":1,"new":{}}"#).unwrap().meta().event_type, "http_poll");
    }

    #[test]
    fn times_of_every_format_are_read() {
        let time = |format: &str, text: &str| {
            let item = format!(r#"{{"id":1,"t":{text}}}"#);
            let options = json!({ "id": "id", "time": "t", "time_format": format });
            read(options, &item).unwrap().meta().time.as_millis()
        };
        assert_eq!(time("seconds", "\"1512085950.000216\""), 1_512_085_950_000);
        assert_eq!(time("seconds", "1512085950.5"), 1_512_085_950_500);
        assert_eq!(time("milliseconds", "1699564800000"), 1_699_564_800_000);
        assert_eq!(time("seconds", "true"), 7);
    }

    #[test]
    fn an_item_without_what_it_must_have_is_rejected() {
        let options = json!({ "id": "id", "type": "type" });
        for (item, why) in [
            (r#"{"type":"a"}"#, "no `id`"),
            (r#"{"id":"","type":"a"}"#, "no `id`"),
            (r#"{"id":{},"type":"a"}"#, "no `id`"),
            (r#"{"id":"1"}"#, "no `type`"),
            ("[1]", "not a JSON object"),
            ("7", "not a JSON object"),
        ] {
            let reject = read(options.clone(), item).unwrap_err();
            assert!(reject.error.message.contains(why), "{item}: {}", reject.error.message);
        }
    }
}

//! Events from JSON lines: as an API sends them, or in the envelope `{"meta": …, "event": …}` that sinks write.
//!
//! An event without an envelope is given the `meta` that a source would give it, as far as its own fields tell: an item
//! of OpenTrain or Zenzap as their contracts describe it (section 4 of the one, section 5 of the other), anything else a
//! `meta.type` from `type` and an id from its line. The account and the source are called after the API.

use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use sluicebox_core::{Event, Meta, Timestamp, object_fields};
use sluicebox_emulator::Api;

use super::input::{Line, Lines, events_file};
use crate::exit::Stop;

/// The most sample events that a prompt holds.
const MOST: usize = 10_000;

/// The fields of one object.
type Fields<'a> = Vec<(String, &'a RawValue)>;

/// The event of a line.
///
/// # Errors
/// Why it is none, as a clause.
pub(super) fn read(line: &[u8], number: usize, received: Timestamp) -> Result<Event, String> {
    let bytes = Bytes::copy_from_slice(line);
    let text: &RawValue = serde_json::from_slice(&bytes).map_err(|error| not_json(&error))?;
    let fields = object_fields(text.get()).map_err(|_| "not a JSON object".to_owned())?;
    let slice = |raw: &RawValue| bytes.slice_ref(raw.get().as_bytes());
    let Some((meta, event)) = envelope(&fields) else {
        return Ok(Event::from_validated(slice(text), meta_of(&fields, number, received)));
    };
    let inner = object_fields(event.get()).map_err(|_| "`event` is not a JSON object".to_owned())?;
    let meta = completed(meta, &meta_of(&inner, number, received))?;
    Ok(Event::from_validated(slice(event), meta))
}

fn not_json(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    format!("not JSON: {what} at column {}", error.column())
}

/// `meta` and `event`, if these are the fields, with `output` where a filter wrote it.
fn envelope<'a>(fields: &Fields<'a>) -> Option<(&'a RawValue, &'a RawValue)> {
    let is_known = |name: &str| matches!(name, "meta" | "event" | "output");
    if !fields.iter().all(|(name, _)| is_known(name)) {
        return None;
    }
    let map = |name| find(fields, name).filter(|raw| raw.get().starts_with('{'));
    Some((map("meta")?, map("event")?))
}

/// The last field of this name, as everywhere.
fn find<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a RawValue> {
    fields.iter().rev().find(|(known, _)| known == name).map(|(_, raw)| *raw)
}

/// The `meta` of an envelope; what it leaves out is as in `known`.
fn completed(given: &RawValue, known: &Meta) -> Result<Meta, String> {
    let wrong = |error: serde_json::Error| format!("`meta`: {error}");
    let mut meta = serde_json::to_value(known).map_err(wrong)?;
    let given: serde_json::Map<String, Value> = serde_json::from_str(given.get()).map_err(wrong)?;
    if let Value::Object(meta) = &mut meta {
        meta.extend(given);
    }
    serde_json::from_value(meta).map_err(wrong)
}

fn meta_of(fields: &Fields<'_>, number: usize, received: Timestamp) -> Meta {
    let text = |name| find(fields, name).and_then(text_of);
    let created_at = find(fields, "createdAt");
    if let (Some(id), Some(event_type)) = (text("updateId"), text("eventType")) {
        let time = created_at.and_then(|raw| raw.get().parse().ok()).map(Timestamp::from_millis);
        let meta = api_meta(Api::Zenzap, &id, event_type, time.unwrap_or(received));
        let key = find(fields, "data").and_then(topic).map_or_else(|| meta.key.clone(), Into::into);
        return Meta { key, received, ..meta };
    }
    let id = find(fields, "id").and_then(|raw| text_of(raw).or_else(|| integer(raw)));
    if let (Some(id), Some(event_type), Some(created_at)) = (id, text("type"), created_at.and_then(text_of)) {
        let time = Timestamp::parse(&created_at).unwrap_or(received);
        return Meta { received, ..api_meta(Api::OpenTrain, &id, event_type, time) };
    }
    let event_type = text("type").unwrap_or_default().into();
    Meta {
        event_type,
        time: received,
        received,
        ..Meta::new("lines", "lines", format!("lines:lines:{number}"))
    }
}

fn api_meta(api: Api, id: &str, event_type: String, time: Timestamp) -> Meta {
    let name = api.to_string();
    let id = format!("{name}:{name}:{id}");
    Meta { event_type: event_type.into(), time, ..Meta::new(name.clone(), name, id) }
}

/// The topic of `data`, which holds a message or is one.
fn topic(data: &RawValue) -> Option<String> {
    let fields = object_fields(data.get()).ok()?;
    let own =
        |fields: &Fields<'_>| find(fields, "topicId").and_then(text_of).filter(|topic| !topic.is_empty());
    own(&fields).or_else(|| own(&object_fields(find(&fields, "message")?.get()).ok()?))
}

fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(raw.get()).ok()
}

fn integer(raw: &RawValue) -> Option<String> {
    raw.get().bytes().all(|byte| byte.is_ascii_digit()).then(|| raw.get().to_owned())
}

/// One event of each API that is polled, made up: the first that an emulator serves.
pub(super) fn made_up() -> Vec<Event> {
    let received = now();
    let lines =
        [Api::OpenTrain, Api::Zenzap].into_iter().flat_map(|api| sluicebox_emulator::events(api, 1, 0, 0..1));
    lines.filter_map(|line| read(&line, 1, received).ok()).collect()
}

/// The events of a file for a prompt.
pub(super) fn of_file(path: &Path) -> Result<Vec<Event>, Stop> {
    let shown = path.display();
    let received = now();
    let mut lines = Lines::new(events_file(path)?);
    let (mut events, mut number) = (Vec::new(), 0);
    while let Some(line) =
        lines.next_line().map_err(|error| Stop::failed(format!("cannot read {shown}"), &error))?
    {
        number += 1;
        let event = match line {
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => read(text, number, received),
            Line::TooLong => Err("longer than 16 MiB".to_owned()),
        };
        match event {
            Ok(event) => events.push(event),
            Err(why) => {
                return Err(Stop::usage(format!("{shown}:{number}: {why}"))
                    .help("sample events are JSON lines: one object a line"));
            }
        }
        if events.len() == MOST {
            break;
        }
    }
    if events.is_empty() {
        return Err(Stop::usage(format!("there is no event in {shown}")));
    }
    Ok(events)
}

/// When events were received that nobody received.
pub(super) fn now() -> Timestamp {
    sluicebox_engine::system().clock.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Result<Event, String> {
        read(line.as_bytes(), 7, Timestamp::from_millis(1000))
    }

    fn told(line: &str) -> [String; 5] {
        let event = event(line).unwrap();
        let Meta { id, event_type, time, key, account, .. } = event.meta();
        [id.to_string(), event_type.to_string(), time.to_string(), key.to_string(), account.to_string()]
    }

    #[test]
    fn an_item_of_an_api_gets_the_meta_of_its_source() {
        assert_eq!(
            told(r#"{"id":"1042","type":"payment.pending","createdAt":"2026-06-12T10:00:00Z","data":{}}"#),
            [
                "opentrain:opentrain:1042",
                "payment.pending",
                "2026-06-12T10:00:00.000Z",
                "opentrain",
                "opentrain"
            ]
        );
        assert_eq!(
            told(
                r#"{"updateId":"u+/=","eventType":"message.created","createdAt":1781258400000,"data":{"message":{"topicId":"t"}}}"#
            ),
            ["zenzap:zenzap:u+/=", "message.created", "2026-06-12T10:00:00.000Z", "t", "zenzap"]
        );
        assert_eq!(told(r#"{"updateId":"u","eventType":"x"}"#)[2..4], ["1970-01-01T00:00:01.000Z", "zenzap"]);
        assert_eq!(told(r#"{"type":"t","n":1}"#)[..2], ["lines:lines:7", "t"]);
    }

    #[test]
    fn an_envelope_says_what_it_says_and_keeps_every_byte() {
        let made =
            event(r#" {"event": { "n": 1.10 },"meta":{"type":"t","id":"a","account":"b"},"output":"x"} "#)
                .unwrap();
        assert_eq!(made.json(), r#"{ "n": 1.10 }"#);
        assert_eq!(
            (made.meta().id.as_str(), made.meta().event_type.as_str(), &*made.meta().account),
            ("a", "t", "b")
        );
        let again = format!(r#"{{"meta":{},"event":{{}}}}"#, serde_json::to_string(made.meta()).unwrap());
        assert_eq!(event(&again).unwrap().meta(), made.meta());
        for plain in [r#"{"meta":{},"event":{},"more":1}"#, r#"{"meta":1,"event":{}}"#, r#"{"event":{}}"#] {
            assert_eq!(event(plain).unwrap().json(), plain);
        }
    }

    #[test]
    fn what_is_no_event_is_told_in_a_clause() {
        assert_eq!(event("[1]").unwrap_err(), "not a JSON object");
        assert_eq!(event(r#"{"a":"#).unwrap_err(), "not JSON: EOF while parsing a value at column 5");
        assert!(event("{} {}").unwrap_err().starts_with("not JSON: trailing characters"));
        let wrong = event(r#"{"meta":{"time":"noon"},"event":{}}"#).unwrap_err();
        assert!(wrong.starts_with("`meta`: expected an RFC 3339 time"), "{wrong}");
    }

    #[test]
    fn a_sample_of_each_api_is_at_hand() {
        let families: Vec<_> = made_up().iter().map(|event| event.meta().source.to_string()).collect();
        assert_eq!(families, ["opentrain", "zenzap"]);
    }
}

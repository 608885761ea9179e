//! From a record to an event.
//!
//! Invariant: without `include` an event is the value of its record, byte for byte; what is no event becomes a dead letter
//! that holds the value as it was.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::message::{Headers, Message};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sluicebox_core::{DeadLetterError, Event, Meta, Reason, Reject, Timestamp};
use smol_str::SmolStr;

use super::spec::{Format, Part};

/// The headers that may name the type of an event: our own, and that of `CloudEvents`.
const TYPES: [&str; 2] = ["type", "ce_type"];

/// How the records of one partition become events.
pub(super) struct Form {
    pub(super) source: Arc<str>,
    pub(super) account: Arc<str>,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) format: Format,
    pub(super) include: Vec<Part>,
}

/// What is kept of a record until it is read.
pub(super) struct Record {
    offset: i64,
    /// Milliseconds since the epoch.
    time: Option<i64>,
    key: Option<Vec<u8>>,
    kind: Option<SmolStr>,
    /// Empty unless they are asked for.
    headers: Vec<(String, Option<Vec<u8>>)>,
    value: Option<Bytes>,
}

impl Record {
    /// When it was written, or else received.
    pub(super) fn time_or(&self, received: Timestamp) -> Timestamp {
        self.time.map_or(received, Timestamp::from_millis)
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        let headers =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        let value = self.value.as_ref().map_or(0, Bytes::len);
        value + self.key.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }
}

impl Form {
    /// Copies what is needed out of librdkafka's memory.
    pub(super) fn record(&self, message: &impl Message) -> Record {
        let all = || message.headers().into_iter().flat_map(Headers::iter);
        let kind = TYPES.iter().find_map(|name| {
            let found = all().find(|header| header.key == *name)?;
            std::str::from_utf8(found.value?).ok().filter(|text| !text.is_empty()).map(SmolStr::from)
        });
        let headers = if self.include.contains(&Part::Headers) {
            all().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        } else {
            Vec::new()
        };
        Record {
            offset: message.offset(),
            time: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            kind,
            headers,
            value: message.payload().map(Bytes::copy_from_slice),
        }
    }

    /// The event of a record, or what it is instead.
    pub(super) fn read(&self, record: Record, received: Timestamp) -> Result<Event, Box<Reject>> {
        let meta = self.meta(&record, received);
        let added = self.added(&record);
        let Some(value) = record.value else {
            return Err(reject(Bytes::from_static(b"null"), meta, "the record has no value (a tombstone)"));
        };
        let mut event = match self.format {
            Format::Json => Event::parse(&value, meta.clone()).map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let message = format!("the value is not a JSON object{}", cause.unwrap_or_default());
                reject(value, meta, message)
            })?,
            Format::Envelope => self.unwrap(&value, &meta).map_err(|message| reject(value, meta, message))?,
        };
        if let Some(added) = added {
            event.append("_kafka", added);
        }
        Ok(event)
    }

    fn meta(&self, record: &Record, received: Timestamp) -> Meta {
        let Self { topic, partition, account, .. } = self;
        let key = record.key.as_deref().filter(|key| !key.is_empty()).map(String::from_utf8_lossy);
        let key = key.unwrap_or_else(|| Cow::Owned(format!("{topic}/{partition}")));
        Meta {
            id: SmolStr::from(format!("kafka:{account}:{topic}/{partition}/{}", record.offset)),
            event_type: record.kind.clone().unwrap_or_else(|| SmolStr::from(topic.as_str())),
            time: record.time_or(received),
            source: Arc::clone(&self.source),
            account: Arc::clone(account),
            key: SmolStr::from(key),
            received,
            lookups: BTreeMap::new(),
            replay: None,
        }
    }

    /// An event as our sink writes it with `envelope: true`: what was known of it is known again.
    fn unwrap(&self, value: &Bytes, meta: &Meta) -> Result<Event, String> {
        let text = std::str::from_utf8(value).map_err(|error| format!("the value is not JSON: {error}"))?;
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| {
            format!("the value is not an envelope {{\"meta\": …, \"event\": …}}: {error}")
        })?;
        let known = Meta {
            // Where it came from is us: rules and replays look for it here.
            source: Arc::clone(&self.source),
            account: Arc::clone(&self.account),
            received: meta.received,
            ..envelope.meta
        };
        let event = value.slice_ref(envelope.event.get().as_bytes());
        Event::parse(&event, known).map_err(|error| format!("`event` of the envelope: {error}"))
    }

    /// The field `_kafka`, if anything is asked for.
    fn added(&self, record: &Record) -> Option<Bytes> {
        if self.include.is_empty() {
            return None;
        }
        let text =
            |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |bytes| String::from_utf8_lossy(bytes).into());
        let mut fields = Map::new();
        for part in &self.include {
            let value = match part {
                Part::Topic => self.topic.as_str().into(),
                Part::Partition => self.partition.into(),
                Part::Offset => record.offset.into(),
                Part::Time => {
                    record.time.map_or(Value::Null, |time| Timestamp::from_millis(time).to_string().into())
                }
                Part::Key => text(record.key.as_deref()),
                Part::Headers => {
                    let headers = record.headers.iter();
                    headers
                        .map(|(name, value)| (name.clone(), text(value.as_deref())))
                        .collect::<Map<_, _>>()
                        .into()
                }
            };
            fields.insert(part.as_str().to_owned(), value);
        }
        Some(Bytes::from(Value::Object(fields).to_string()))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    meta: Meta,
    #[serde(borrow)]
    event: &'a RawValue,
}

fn reject(value: Bytes, meta: Meta, message: impl Into<String>) -> Box<Reject> {
    let event = Event::from_validated(value, meta);
    Box::new(Reject { event, reason: Reason::Parse, error: DeadLetterError::new(message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::Timestamp as Time;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};
    use serde_json::json;

    fn form(format: Format, include: &[Part]) -> Form {
        Form {
            source: "feed".into(),
            account: "main".into(),
            topic: "orders".to_owned(),
            partition: 3,
            format,
            include: include.to_vec(),
        }
    }

    fn message(value: Option<&str>, key: Option<&[u8]>, headers: &[(&str, &str)]) -> OwnedMessage {
        let empty = OwnedHeaders::new();
        let headers = headers
            .iter()
            .fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
        let value = value.map(|text| text.as_bytes().to_vec());
        let time = Time::CreateTime(1_781_258_404_120);
        OwnedMessage::new(value, key.map(<[u8]>::to_vec), "orders".to_owned(), time, 3, 41, Some(headers))
    }

    fn read(form: &Form, message: &OwnedMessage) -> Result<Event, Box<Reject>> {
        form.read(form.record(message), Timestamp::from_millis(1_781_258_405_000))
    }

    #[test]
    fn an_event_is_the_value_and_the_rest_is_its_envelope() {
        let form = form(Format::Json, &[]);
        let value = r#"{ "n": 1.10, "n":2 }"#;
        let event = read(&form, &message(Some(value), Some(b"k-1"), &[("ce_type", "order.made")])).unwrap();
        assert_eq!(event.json(), value);
        let meta = event.meta();
        assert_eq!(
            (meta.id.as_str(), meta.event_type.as_str(), meta.key.as_str()),
            ("kafka:main:orders/3/41", "order.made", "k-1")
        );
        assert_eq!(meta.time.as_millis(), 1_781_258_404_120);
        assert_eq!(meta.received.as_millis(), 1_781_258_405_000);

        let event = read(&form, &message(Some("{}"), None, &[])).unwrap();
        assert_eq!((event.meta().event_type.as_str(), event.meta().key.as_str()), ("orders", "orders/3"));
    }

    #[test]
    fn what_is_no_object_is_rejected_whole() {
        let form = form(Format::Json, &[]);
        for value in ["[1]", "", "not json", "\u{0}\u{0}"] {
            let reject = read(&form, &message(Some(value), Some(b"k"), &[])).unwrap_err();
            assert_eq!(reject.reason, Reason::Parse);
            assert_eq!(reject.event.json(), value);
        }
        let tombstone = read(&form, &message(None, Some(b"k"), &[])).unwrap_err();
        assert_eq!(
            (tombstone.event.json().as_ref(), tombstone.event.meta().key.as_str()),
            (&b"null"[..], "k")
        );
        assert!(tombstone.error.message.contains("tombstone"), "{}", tombstone.error.message);
    }

    #[test]
    fn parts_of_the_record_are_added_when_asked_for() {
        let all = [Part::Topic, Part::Partition, Part::Offset, Part::Time, Part::Key, Part::Headers];
        let message = message(Some(r#"{"n":1}"#), Some(b"k-1"), &[("trace", "a"), ("trace", "b")]);
        let event: Value =
            serde_json::from_slice(&read(&form(Format::Json, &all), &message).unwrap().json()).unwrap();
        assert_eq!(
            event,
            json!({ "n": 1, "_kafka": {
                "topic": "orders", "partition": 3, "offset": 41, "time": "2026-06-12T10:00:04.120Z",
                "key": "k-1", "headers": { "trace": "b" }
            } })
        );
    }

    #[test]
    fn an_envelope_is_what_the_sink_made_of_it() {
        let form = form(Format::Envelope, &[]);
        let sent = crate::test_events::event(7, r#"{ "n": 1.10 }"#);
        let value = format!(
            r#"{{"meta":{},"event":{}}}"#,
            serde_json::to_string(sent.meta()).unwrap(),
            std::str::from_utf8(&sent.json()).unwrap()
        );
        let event = read(&form, &message(Some(&value), Some(b"other"), &[("type", "other")])).unwrap();
        assert_eq!(event.json(), sent.json());
        let expected = Meta {
            source: "feed".into(),
            account: "main".into(),
            received: Timestamp::from_millis(1_781_258_405_000),
            ..sent.meta().clone()
        };
        assert_eq!(*event.meta(), expected);
        for value in [r#"{"n":1}"#, r#"{"meta":{},"event":{}}"#, "[]"] {
            assert!(read(&form, &message(Some(value), None, &[])).is_err(), "{value}");
        }
        let no_object = value.replace(r#"{ "n": 1.10 }"#, "[1]");
        assert!(read(&form, &message(Some(&no_object), None, &[])).is_err());
    }
}

//! An event as a Kafka record: topic, key, headers, value, time.
//!
//! Invariant: the value is the event as it arrived, byte for byte; making it costs no allocation where nothing of the
//! record depends on the event but its key.

use std::collections::BTreeMap;

use bytes::Bytes;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use sluicebox_core::{Error, Event, Located, Problem, Result};
use sluicebox_rules::{Template, TemplateKind};

use crate::topic::Topic;

/// How events become records.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) topic: Topic,
    key: Key,
    headers: Vec<(String, Template)>,
    value: Value,
}

/// What of a record needs no template.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Value {
    /// `{"meta": …, "event": …}` instead of the event alone.
    pub(crate) is_envelope: bool,
    /// The time of the event instead of that of the write.
    pub(crate) has_event_time: bool,
}

#[derive(Clone, Debug)]
enum Key {
    /// `meta.key`, which is at hand.
    OfEvent,
    /// Records have no key.
    None,
    Rendered(Template),
}

/// A record that is to be sent; borrows what is at hand.
pub(crate) struct Record<'a> {
    pub(crate) topic: &'a str,
    /// `None`: the key picks it.
    pub(crate) partition: Option<i32>,
    /// `None`: without a key.
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Bytes,
    pub(crate) headers: Option<OwnedHeaders>,
    /// Milliseconds since the epoch; 0: the time of the write.
    pub(crate) time: i64,
}

impl Record<'_> {
    /// Bytes that count for the limits of a topic.
    pub(crate) fn size(&self) -> usize {
        let headers = self.headers.as_ref().map_or(0, |headers| {
            headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
        });
        self.value.len() + self.key.map_or(0, <[u8]>::len) + headers
    }
}

/// Where the texts of one record are kept while it is sent.
#[derive(Default)]
pub(crate) struct Texts {
    topic: String,
    key: String,
}

impl Recipe {
    /// Compiles the options.
    ///
    /// # Errors
    /// Every problem, relative to the sink.
    pub(crate) fn compile(
        topic: &Located,
        key: Option<&Located>,
        headers: &BTreeMap<String, Located>,
        value: Value,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut note = |problem: Problem, path: &str| problems.push(problem.under(path));
        let topic = Topic::compile(topic).map_err(|problem| note(problem, "topic")).ok();
        let key = match key {
            None => Some(Key::OfEvent),
            Some(text) if text.text.is_empty() => Some(Key::None),
            Some(text) => Template::compile(text, TemplateKind::Text)
                .map_err(|problem| note(problem, "key"))
                .ok()
                .map(Key::Rendered),
        };
        let mut compiled = Vec::with_capacity(headers.len());
        for (name, text) in headers {
            match Template::compile(text, TemplateKind::Text) {
                Ok(template) => compiled.push((name.clone(), template)),
                Err(problem) => note(problem, &format!("headers.{name}")),
            }
            if name.is_empty() || name.contains('\0') {
                note(Problem::new("", "this cannot be the name of a header"), &format!("headers.{name}"));
            }
        }
        match (topic, key) {
            (Some(topic), Some(key)) if problems.is_empty() => {
                Ok(Self { topic, key, headers: compiled, value })
            }
            _ => Err(problems),
        }
    }

    /// The record of an event.
    ///
    /// # Errors
    /// An expression fails on the event, or its topic cannot be one: a dead letter.
    pub(crate) fn record<'a>(&'a self, event: &'a Event, texts: &'a mut Texts) -> Result<Record<'a>> {
        let meta = event.meta();
        let key = match &self.key {
            Key::OfEvent => meta.key.as_bytes(),
            Key::None => &[],
            Key::Rendered(template) => {
                texts.key =
                    template.render(event).map_err(|error| error.to_error("the key of the record"))?;
                texts.key.as_bytes()
            }
        };
        Ok(Record {
            topic: self.topic.of(event, &mut texts.topic)?,
            partition: None,
            key: Some(key).filter(|key| !key.is_empty()),
            value: self.value(event)?,
            headers: self.headers(event)?,
            time: if self.value.has_event_time { meta.time.as_millis().max(0) } else { 0 },
        })
    }

    fn headers(&self, event: &Event) -> Result<Option<OwnedHeaders>> {
        if self.headers.is_empty() {
            return Ok(None);
        }
        let mut headers = OwnedHeaders::new_with_capacity(self.headers.len());
        for (name, template) in &self.headers {
            let value =
                template.render(event).map_err(|error| error.to_error(&format!("the header `{name}`")))?;
            headers = headers.insert(Header { key: name, value: Some(&value) });
        }
        Ok(Some(headers))
    }

    fn value(&self, event: &Event) -> Result<Bytes> {
        let json = event.json();
        if !self.value.is_envelope {
            return Ok(json);
        }
        let mut value = Vec::with_capacity(event.size() + 64);
        value.extend_from_slice(b"{\"meta\":");
        serde_json::to_writer(&mut value, event.meta())
            .map_err(|error| Error::permanent("the envelope cannot be written as JSON").with_cause(error))?;
        value.extend_from_slice(b",\"event\":");
        value.extend_from_slice(&json);
        value.push(b'}');
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_events::event;
    use serde_json::json;

    fn recipe(key: Option<&str>, headers: serde_json::Value, envelope: bool) -> Result<Recipe, Vec<Problem>> {
        let headers: BTreeMap<String, Located> = serde_json::from_value(headers).unwrap();
        let value = Value { is_envelope: envelope, has_event_time: true };
        Recipe::compile(&"orders".into(), key.map(Into::into).as_ref(), &headers, value)
    }

    #[test]
    fn a_record_is_the_event_as_it_arrived_under_its_key() {
        let recipe = recipe(None, json!({}), false).unwrap();
        let event = event(1, r#"{ "n": 1.10, "n":2 }"#);
        let mut texts = Texts::default();
        let record = recipe.record(&event, &mut texts).unwrap();
        assert_eq!((record.topic, record.key), ("orders", Some(&b"k"[..])));
        assert_eq!(record.value, r#"{ "n": 1.10, "n":2 }"#);
        assert_eq!(record.time, 1_781_258_404_120);
        assert!(record.headers.is_none());
    }

    #[test]
    fn an_empty_key_is_no_key() {
        let mut texts = Texts::default();
        let event = event(1, r#"{"account": "", "n": 7}"#);
        assert!(
            recipe(Some(""), json!({}), false).unwrap().record(&event, &mut texts).unwrap().key.is_none()
        );
        let by_account = recipe(Some("{{ event.account }}"), json!({}), false).unwrap();
        assert!(by_account.record(&event, &mut texts).unwrap().key.is_none());
        let by_number = recipe(Some("n-{{ event.n }}"), json!({}), false).unwrap();
        assert_eq!(by_number.record(&event, &mut texts).unwrap().key, Some(&b"n-7"[..]));
    }

    #[test]
    fn headers_and_the_envelope_are_made_of_the_event() {
        let recipe = recipe(None, json!({ "id": "{{ meta.id }}", "kind": "order" }), true).unwrap();
        let event = event(3, r#"{"n": 1}"#);
        let mut texts = Texts::default();
        let record = recipe.record(&event, &mut texts).unwrap();
        let headers = record.headers.unwrap();
        let shown: Vec<_> =
            headers.iter().map(|it| (it.key.to_owned(), it.value.unwrap().to_vec())).collect();
        assert_eq!(
            shown,
            [("id".to_owned(), b"opentrain:a:3".to_vec()), ("kind".to_owned(), b"order".to_vec())]
        );
        let value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!((&value["meta"]["id"], &value["event"]["n"]), (&json!("opentrain:a:3"), &json!(1)));
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let headers: BTreeMap<String, Located> =
            serde_json::from_value(json!({ "ok": "x", "bad": "{{ event. }}" })).unwrap();
        let problems =
            Recipe::compile(&"a b".into(), Some(&"{{ event".into()), &headers, Value::default()).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["topic", "key", "headers.bad"]);
    }
}

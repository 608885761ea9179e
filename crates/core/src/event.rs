//! The event: validated raw JSON with a small envelope, parsed only where a stage needs it.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::Meta;
use crate::object::object_fields;

/// One event: a JSON object exactly as the upstream sent it, plus its envelope.
///
/// Cloning is two reference counts, so fan-out to many sinks is free. Fields added by enrichment stay a list until
/// the event is serialised ([`Event::json`]): appending costs a splice, not a parse.
#[derive(Clone, Debug)]
pub struct Event {
    raw: Bytes,
    appended: Vec<(SmolStr, Bytes)>,
    meta: Arc<Meta>,
}

/// The bytes are not one JSON object.
#[derive(Debug, thiserror::Error)]
#[error("the event is not a JSON object")]
pub struct InvalidEvent(#[from] serde_json::Error);

impl Event {
    /// An event from bytes that must be one JSON object; validates syntax and UTF-8.
    ///
    /// # Errors
    /// [`InvalidEvent`] (not retryable) if the bytes are anything else.
    pub fn parse(raw: &Bytes, meta: Meta) -> Result<Self, InvalidEvent> {
        let text: &RawValue = serde_json::from_slice(raw)?;
        serde_json::Deserializer::from_str(text.get()).deserialize_map(AnyObject)?;
        let raw = raw.slice_ref(text.get().as_bytes());
        Ok(Self::from_validated(raw, meta))
    }

    /// An event from bytes that the caller has already validated (a `RawValue` of a page, or our own serialisation).
    ///
    /// Dead letters of unparsable items are the one use with something other than an object.
    pub fn from_validated(raw: Bytes, meta: Meta) -> Self {
        Self { raw, appended: Vec::new(), meta: Arc::new(meta) }
    }

    /// The envelope.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The envelope for changing; copied first if another clone of the event shares it.
    pub fn meta_mut(&mut self) -> &mut Meta {
        Arc::make_mut(&mut self.meta)
    }

    /// The JSON text of the event with every appended field in place.
    ///
    /// Byte for byte the upstream's text while nothing was appended. An appended field replaces one of the same name.
    pub fn json(&self) -> Bytes {
        if self.appended.is_empty() { self.raw.clone() } else { self.spliced() }
    }

    /// Adds a top-level field, or replaces it: `value` must be valid JSON text.
    pub fn append(&mut self, field: impl Into<SmolStr>, value: Bytes) {
        let field = field.into();
        self.appended.retain(|(name, _)| *name != field);
        self.appended.push((field, value));
    }

    /// The same event with new JSON text (valid, an object) and the same envelope.
    #[must_use]
    pub fn with_json(&self, raw: Bytes) -> Self {
        Self { raw, appended: Vec::new(), meta: Arc::clone(&self.meta) }
    }

    /// A child event: new JSON text, the parent's envelope, and the id `<parent>/<output>/<index>`.
    #[must_use]
    pub fn child(&self, output: &str, index: usize, raw: Bytes) -> Self {
        let mut meta = Meta::clone(&self.meta);
        meta.id = SmolStr::from(format!("{}/{output}/{index}", self.meta.id));
        Self { raw, appended: Vec::new(), meta: Arc::new(meta) }
    }

    /// Bytes that this event counts for in buffers and budgets: its JSON and a flat share for the envelope.
    pub fn size(&self) -> usize {
        const ENVELOPE_BYTES: usize = 256;
        let appended: usize = self.appended.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        self.raw.len() + appended + ENVELOPE_BYTES
    }

    /// `raw` without the fields that were appended later, then those fields, spliced before the last brace.
    fn spliced(&self) -> Bytes {
        let kept = if self.appended.iter().any(|(name, _)| self.may_hold(name)) {
            self.without_appended_names()
        } else {
            self.raw.clone()
        };
        let Some(brace) = kept.iter().rposition(|byte| *byte == b'}') else { return kept };
        let empty = kept[..brace].iter().rposition(|byte| !byte.is_ascii_whitespace());
        let mut separator = if empty.is_some_and(|at| kept[at] == b'{') { "" } else { "," };
        let mut text = BytesMut::with_capacity(self.size());
        text.put_slice(&kept[..brace]);
        for (name, value) in &self.appended {
            text.put_slice(separator.as_bytes());
            text.put_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
            text.put_u8(b':');
            text.put_slice(value);
            separator = ",";
        }
        text.put_u8(b'}');
        text.freeze()
    }

    /// Whether the text could hold a key of this name: spelt out, or hidden behind an escape.
    fn may_hold(&self, name: &str) -> bool {
        let holds = |needle: &[u8]| self.raw.windows(needle.len().max(1)).any(|window| window == needle);
        holds(name.as_bytes()) || holds(b"\\")
    }

    fn without_appended_names(&self) -> Bytes {
        let Ok(text) = std::str::from_utf8(&self.raw) else { return self.raw.clone() };
        let Ok(fields) = object_fields(text) else {
            return self.raw.clone();
        };
        let mut kept = String::with_capacity(text.len());
        for (name, value) in fields {
            if self.appended.iter().any(|(appended, _)| *appended == name) {
                continue;
            }
            kept.push(if kept.is_empty() { '{' } else { ',' });
            kept.push_str(&serde_json::Value::from(name).to_string());
            kept.push(':');
            kept.push_str(value.get());
        }
        if kept.is_empty() {
            kept.push('{');
        }
        kept.push('}');
        Bytes::from(kept)
    }
}

/// Accepts any object and nothing else.
struct AnyObject;

impl<'de> Visitor<'de> for AnyObject {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta::new("s", "a", "opentrain:a:1")
    }

    fn event(text: &'static str) -> Event {
        Event::parse(&Bytes::from_static(text.as_bytes()), meta()).unwrap()
    }

    #[test]
    fn untouched_events_keep_every_byte() {
        let text = r#"{ "n": 1.10, "big": 18446744073709551616,"n":2 }"#;
        assert_eq!(event(text).json(), text);
    }

    #[test]
    fn only_objects_are_events() {
        for text in ["[1]", "3", "", "{", "{} x", "\"{}\"", "{\"a\":}"] {
            assert!(Event::parse(&Bytes::from_static(text.as_bytes()), meta()).is_err(), "{text}");
        }
        assert!(Event::parse(&Bytes::from_static(b"{\"a\":\"\xff\"}"), meta()).is_err());
    }

    #[test]
    fn appended_fields_are_spliced_before_the_last_brace() {
        let mut changed = event(r#"{"a":1}"#);
        changed.append("b", Bytes::from_static(b"[2]"));
        changed.append("c\"", Bytes::from_static(b"3"));
        assert_eq!(changed.json(), r#"{"a":1,"b":[2],"c\"":3}"#);
        let mut empty = event("{ }");
        empty.append("a", Bytes::from_static(b"1"));
        assert_eq!(empty.json(), r#"{ "a":1}"#);
    }

    #[test]
    fn an_appended_field_replaces_every_field_of_that_name() {
        let mut changed = event(r#"{"a":1,"b":{"a":2},"a":3,"\u0061":4}"#);
        changed.append("a", Bytes::from_static(b"5"));
        assert_eq!(changed.json(), r#"{"b":{"a":2},"a":5}"#);
        changed.append("a", Bytes::from_static(b"6"));
        assert_eq!(changed.json(), r#"{"b":{"a":2},"a":6}"#);
    }

    #[test]
    fn children_carry_a_deterministic_id() {
        let child = event("{}").child("big", 2, Bytes::from_static(b"{}"));
        assert_eq!(child.meta().id, "opentrain:a:1/big/2");
        assert_eq!(child.meta().source.as_ref(), "s");
    }
}

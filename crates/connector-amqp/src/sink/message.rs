//! From an event to a message: routing key, properties, body.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use sha2::{Digest, Sha256};
use sluicebox_core::{Error, Event, Result};
use sluicebox_rules::Template;
use smol_str::SmolStr;

use crate::link::short;

/// Most bytes of all headers of one message: properties travel in one frame, and a larger one ends the connection.
const MOST_HEADER_BYTES: usize = 64 << 10;

/// How messages are made of events.
pub(crate) struct Recipe {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: Template,
    pub(crate) headers: Vec<(ShortString, Template)>,
    pub(crate) envelope: bool,
    /// Whether two events can take different ways, so that an unroutable one says nothing about the next.
    pub(crate) routes_by_event: bool,
    pub(crate) fixed: Fixed,
}

/// What is the same for every message.
pub(crate) struct Fixed {
    pub(crate) mandatory: bool,
    pub(crate) delivery_mode: u8,
    pub(crate) content_type: ShortString,
    pub(crate) priority: Option<u8>,
    pub(crate) expiration: Option<ShortString>,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
    /// The event's ordering key.
    pub(crate) key: SmolStr,
}

impl Message {
    /// What consumers know repeats by.
    pub(crate) fn id(&self) -> &str {
        self.properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default()
    }
}

impl Recipe {
    /// The message of an event.
    ///
    /// # Errors
    /// A template failed, or something is longer than the protocol can carry: this event can never be sent.
    pub(crate) fn message(&self, event: &Event) -> Result<Message> {
        let meta = event.meta();
        let routing_key =
            self.routing_key.render(event).map_err(|error| error.to_error("the routing key"))?;
        let routing_key = short(&routing_key).ok_or_else(|| too_long("routing key"))?;
        let mut properties = BasicProperties::default()
            .with_content_type(self.fixed.content_type.clone())
            .with_delivery_mode(self.fixed.delivery_mode)
            .with_message_id(message_id(&meta.id))
            .with_type(short(&meta.event_type).ok_or_else(|| too_long("type"))?);
        if let Ok(seconds) = u64::try_from(meta.time.as_millis().div_euclid(1000)) {
            properties = properties.with_timestamp(seconds);
        }
        if let Some(priority) = self.fixed.priority {
            properties = properties.with_priority(priority);
        }
        if let Some(expiration) = &self.fixed.expiration {
            properties = properties.with_expiration(expiration.clone());
        }
        if !self.headers.is_empty() {
            properties = properties.with_headers(self.table(event)?);
        }
        Ok(Message { routing_key, properties, body: self.body(event)?, key: meta.key.clone() })
    }

    fn table(&self, event: &Event) -> Result<FieldTable> {
        let mut table = FieldTable::default();
        let mut bytes = 0;
        for (name, template) in &self.headers {
            let text =
                template.render(event).map_err(|error| error.to_error(&format!("the header `{name}`")))?;
            bytes += name.as_str().len() + text.len();
            table.insert(name.clone(), AMQPValue::LongString(LongString::from(text)));
        }
        if bytes > MOST_HEADER_BYTES {
            let message = format!("the headers have {bytes} bytes, and a message has room for 64 KiB");
            return Err(Error::permanent(message).with_reason("too_large"));
        }
        Ok(table)
    }

    fn body(&self, event: &Event) -> Result<Bytes> {
        if !self.envelope {
            return Ok(event.json());
        }
        let failed = |error| Error::permanent("the envelope cannot be written as JSON").with_cause(error);
        let mut body = b"{\"meta\":".to_vec();
        serde_json::to_writer(&mut body, event.meta()).map_err(failed)?;
        body.extend_from_slice(b",\"event\":");
        body.extend_from_slice(&event.json());
        body.push(b'}');
        Ok(Bytes::from(body))
    }
}

fn too_long(what: &str) -> Error {
    Error::permanent(format!("the {what} has more than the 255 bytes that AMQP can carry"))
}

/// The event's id, or its SHA-256 where it is longer than a property can be.
fn message_id(id: &str) -> ShortString {
    short(id).unwrap_or_else(|| {
        use std::fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(id.as_bytes()) {
            // Writing to a text never fails.
            let _ = write!(hex, "{byte:02x}");
        }
        ShortString::from(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_core::{Located, Meta, Timestamp};
    use sluicebox_rules::TemplateKind;

    fn template(text: &str) -> Template {
        Template::compile(&Located::from(text), TemplateKind::Text).unwrap()
    }

    fn recipe(routing_key: &str) -> Recipe {
        Recipe {
            exchange: "events".into(),
            routing_key: template(routing_key),
            headers: vec![("tenant".into(), template("{{ event.tenant }}"))],
            envelope: false,
            routes_by_event: true,
            fixed: Fixed {
                mandatory: true,
                delivery_mode: 2,
                content_type: "application/json".into(),
                priority: Some(7),
                expiration: Some("1500".into()),
            },
        }
    }

    fn event(id: &str, json: &str) -> Event {
        let meta = Meta {
            event_type: "order.created".into(),
            time: Timestamp::from_millis(1_781_258_404_120),
            key: "k".into(),
            ..Meta::new("feed", "a", id)
        };
        Event::parse(&Bytes::from(json.to_owned()), meta).unwrap()
    }

    #[test]
    fn an_event_becomes_a_message_with_every_property() {
        let json = r#"{ "tenant":"north", "n": 1.10 }"#;
        let message = recipe("orders.{{ meta.type }}").message(&event("feed:a:1", json)).unwrap();
        assert_eq!(message.body, json);
        assert_eq!(message.routing_key.as_str(), "orders.order.created");
        assert_eq!(message.id(), "feed:a:1");
        let properties = &message.properties;
        assert_eq!(properties.kind().as_ref().unwrap().as_str(), "order.created");
        assert_eq!(*properties.timestamp(), Some(1_781_258_404));
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.priority(), Some(7));
        assert_eq!(properties.expiration().as_ref().unwrap().as_str(), "1500");
        let headers = properties.headers().as_ref().unwrap();
        assert_eq!(headers.inner()["tenant"], AMQPValue::LongString("north".into()));
    }

    #[test]
    fn an_envelope_holds_meta_and_event() {
        let enveloped = Recipe { envelope: true, ..recipe("q") };
        let message = enveloped.message(&event("feed:a:1", r#"{"n": 1.10}"#)).unwrap();
        let text = std::str::from_utf8(&message.body).unwrap();
        assert!(text.ends_with(r#","event":{"n": 1.10}}"#), "{text}");
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["meta"]["id"], "feed:a:1");
    }

    #[test]
    fn what_the_protocol_cannot_carry_is_refused_or_shortened_but_never_panics() {
        let long = "é".repeat(200);
        let message = recipe("q").message(&event(&long, "{}")).unwrap();
        assert_eq!(message.id().len(), 64);
        let error = recipe("{{ event.long }}").message(&event("1", &format!(r#"{{"long":"{long}"}}"#)));
        assert!(error.unwrap_err().to_string().contains("routing key"));
        let huge = format!(r#"{{"tenant":"{}"}}"#, "t".repeat(70_000));
        assert_eq!(recipe("q").message(&event("1", &huge)).unwrap_err().reason(), "too_large");
    }
}

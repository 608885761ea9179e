//! From a delivered message to an event.

use std::sync::Arc;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::types::ShortString;
use sluicebox_core::{DeadLetterError, Event, Meta, Reason, Reject, Timestamp};
use smol_str::SmolStr;

use super::identity::{Identities, content, id};

/// Where messages come from, as the envelope names it.
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a Arc<str>,
    pub(crate) account: &'a Arc<str>,
    pub(crate) queue: &'a str,
}

/// The event of a message, or what it is instead.
pub(crate) fn read(
    delivery: Delivery,
    origin: &Origin<'_>,
    identities: &mut Identities,
    received: Timestamp,
) -> Result<Event, Box<Reject>> {
    let meta = envelope(&delivery, origin, identities, received);
    let body = Bytes::from(delivery.data);
    Event::parse(&body, meta.clone()).map_err(|error| {
        let event = Event::from_validated(body, meta);
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let error = DeadLetterError::new(format!("the message is not a JSON object{cause}"));
        Box::new(Reject { event, reason: Reason::Parse, error })
    })
}

fn envelope(
    delivery: &Delivery,
    origin: &Origin<'_>,
    identities: &mut Identities,
    received: Timestamp,
) -> Meta {
    let properties = &delivery.properties;
    let routing_key = delivery.routing_key.as_str();
    let kind = text(properties.kind().as_ref());
    let seconds = *properties.timestamp();
    let id = text(properties.message_id().as_ref()).map_or_else(
        || {
            let time = seconds.map(u64::to_be_bytes);
            let content = content(&[
                origin.queue.as_bytes(),
                routing_key.as_bytes(),
                kind.unwrap_or_default().as_bytes(),
                time.as_ref().map_or(&[], |bytes| bytes.as_slice()),
                &delivery.data,
            ]);
            id(&content, identities.number(delivery.delivery_tag, content))
        },
        SmolStr::from,
    );
    let stated = seconds.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000));
    Meta {
        id,
        event_type: SmolStr::from(kind.unwrap_or(routing_key)),
        time: stated.map_or(received, Timestamp::from_millis),
        source: Arc::clone(origin.source),
        account: Arc::clone(origin.account),
        key: SmolStr::from(routing_key),
        received,
        lookups: std::collections::BTreeMap::new(),
        replay: None,
    }
}

fn text(property: Option<&ShortString>) -> Option<&str> {
    property.map(ShortString::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::BasicProperties;

    fn read_one(properties: BasicProperties, body: &str) -> Result<Event, Box<Reject>> {
        let mut delivery =
            Delivery::mock(7, "events".into(), "orders.new".into(), false, body.as_bytes().to_vec());
        delivery.properties = properties;
        let (source, account) = (Arc::from("jobs"), Arc::from("main"));
        let origin = Origin { source: &source, account: &account, queue: "q" };
        read(delivery, &origin, &mut Identities::default(), Timestamp::from_millis(5000))
    }

    #[test]
    fn properties_become_the_envelope() {
        let properties = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_type("order".into())
            .with_timestamp(1_781_258_404);
        let event = read_one(properties, r#"{ "n": 1.10 }"#).unwrap();
        assert_eq!(event.json(), r#"{ "n": 1.10 }"#);
        let meta = event.meta();
        assert_eq!(
            (meta.id.as_str(), meta.event_type.as_str(), meta.key.as_str()),
            ("m-1", "order", "orders.new")
        );
        assert_eq!(meta.time.as_millis(), 1_781_258_404_000);
        assert_eq!((meta.source.as_ref(), meta.account.as_ref()), ("jobs", "main"));
    }

    #[test]
    fn a_message_that_says_nothing_about_itself_is_known_by_its_content() {
        let event = read_one(BasicProperties::default(), r#"{"n":1}"#).unwrap();
        let again = read_one(BasicProperties::default(), r#"{"n":1}"#).unwrap();
        let other = read_one(BasicProperties::default(), r#"{"n":2}"#).unwrap();
        assert_eq!(event.meta().id, again.meta().id);
        assert_ne!(event.meta().id, other.meta().id);
        assert_eq!(event.meta().event_type, "orders.new");
        assert_eq!(event.meta().time.as_millis(), 5000);
    }

    #[test]
    fn a_body_that_is_no_object_is_rejected_whole() {
        for body in ["[1]", "", "not json", "{\"a\":1"] {
            let reject = read_one(BasicProperties::default(), body).unwrap_err();
            assert_eq!(reject.reason, Reason::Parse);
            assert_eq!(reject.event.json(), body);
        }
        let far = BasicProperties::default().with_timestamp(u64::MAX);
        assert_eq!(read_one(far, "{}").unwrap().meta().time.as_millis(), 5000);
    }
}

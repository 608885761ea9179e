//! Pages of `GET /v2/updates`, and events out of their items.
//!
//! Source: the Zenzap contract, sections 4 and 5. Invariant: a bad item becomes a reject and never harms its page;
//! unknown event types are events like all others.

use bytes::Bytes;
use serde_json::value::RawValue;
use sluicebox_core::{Event, Reject, Timestamp};
use sluicebox_http::Answer;

use super::own::bare;
use crate::item::{Origin, Said, slice};
use crate::page::{fields, item_fields, split, text};

/// A page that has the shape of the contract.
pub(super) struct UpdatesPage<'a> {
    pub(super) items: Vec<&'a RawValue>,
    /// Where the page ends: `nextOffset`, else the id of the last update; `None`: the page does not say.
    pub(super) next_offset: Option<String>,
}

/// What the items of a page hold.
pub(super) struct Decoded {
    pub(super) events: Vec<Event>,
    pub(super) rejects: Vec<Reject>,
    /// Event time of the last update that states one.
    pub(super) newest: Option<Timestamp>,
}

/// Reads a page.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn page(body: &[u8]) -> Result<UpdatesPage<'_>, String> {
    let page = split(body, "updates", ["nextOffset"]).map_err(|error| error.to_string())?;
    let stated = text(page.fields[0]).filter(|offset| !offset.is_empty());
    let last = || {
        let [id] = fields(page.items.last()?, ["updateId"])?;
        text(id).filter(|id| !id.is_empty())
    };
    let next_offset = stated.or_else(last).map(std::borrow::Cow::into_owned);
    Ok(UpdatesPage { items: page.items, next_offset })
}

/// The events of a page in order, without the messages of `own_id`, and the items that are none.
pub(super) fn events(items: &[&RawValue], answer: &Answer, origin: &Origin, own_id: Option<&str>) -> Decoded {
    let mut decoded = Decoded { events: Vec::with_capacity(items.len()), rejects: Vec::new(), newest: None };
    for item in items {
        match update(&slice(&answer.body, item), origin, answer.received, own_id) {
            Ok(update) => {
                decoded.newest = update.time.or(decoded.newest);
                decoded.events.extend(update.event);
            }
            Err(reject) => decoded.rejects.push(*reject),
        }
    }
    decoded
}

/// One item, read.
pub(super) struct Update {
    /// `None` for a message of our own.
    pub(super) event: Option<Event>,
    /// The event time that it states.
    time: Option<Timestamp>,
}

/// The update of one item, or why it is none.
pub(super) fn update(
    raw: &Bytes,
    origin: &Origin,
    received: Timestamp,
    own_id: Option<&str>,
) -> Result<Update, Box<Reject>> {
    let refuse = |why| Box::new(origin.reject(raw.clone(), why, received));
    let Some([id, event_type, created_at, data]) =
        item_fields(raw, ["updateId", "eventType", "createdAt", "data"])
    else {
        return Err(refuse("the item is not a JSON object"));
    };
    let id = text(id).filter(|id| !id.is_empty()).ok_or_else(|| refuse("the update has no `updateId`"))?;
    let event_type = text(event_type).ok_or_else(|| refuse("the update has no `eventType`"))?;
    let time = created_at.and_then(|time| time.get().parse().ok()).map(Timestamp::from_millis);
    let subject = Subject::of(data);
    if event_type.starts_with("message.") && subject.is_from(own_id) {
        return Ok(Update { event: None, time });
    }
    let said = Said { id: &id, event_type: &event_type, time, key: subject.topic.as_deref() };
    Ok(Update { event: Some(origin.event(raw.clone(), &said, received)), time })
}

/// What an update is about.
#[derive(Default)]
struct Subject<'a> {
    topic: Option<std::borrow::Cow<'a, str>>,
    sender: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Subject<'a> {
    /// Topic and sender of `data`, which holds the message, or is the message itself.
    fn of(data: Option<&'a RawValue>) -> Self {
        let names = ["topicId", "senderId", "message"];
        let Some([topic, sender, message]) = data.and_then(|data| fields(data, names)) else {
            return Self::default();
        };
        let [message_topic, message_sender] =
            message.and_then(|message| fields(message, ["topicId", "senderId"])).unwrap_or_default();
        Self {
            topic: text(topic).or_else(|| text(message_topic)).filter(|topic| !topic.is_empty()),
            sender: text(message_sender).or_else(|| text(sender)),
        }
    }

    fn is_from(&self, own_id: Option<&str>) -> bool {
        own_id.is_some() && self.sender.as_deref().map(bare) == own_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_offset_falls_back_to_the_last_update() {
        let next = |text: &str| page(text.as_bytes()).map(|page| page.next_offset);
        assert_eq!(next(r#"{"updates":[],"nextOffset":"a+/="}"#).unwrap().as_deref(), Some("a+/="));
        let items = r#"[{"updateId":"u1"},{"updateId":"u2"}]"#;
        for missing in ["", r#","nextOffset":null"#, r#","nextOffset":"""#, r#","nextOffset":7"#] {
            let body = format!(r#"{{"updates":{items}{missing}}}"#);
            assert_eq!(next(&body).unwrap().as_deref(), Some("u2"), "{missing}");
            let body = format!(r#"{{"updates":[]{missing}}}"#);
            assert_eq!(next(&body).unwrap(), None, "{missing}");
        }
        assert!(next("unauthorized").is_err());
        assert!(next(r#"{"nextOffset":"a"}"#).is_err());
    }

    #[test]
    fn topic_and_sender_are_found_in_every_shape() {
        let subject = |text: &'static str| Subject::of(Some(serde_json::from_str(text).unwrap()));
        let wrapped = subject(r#"{"message":{"topicId":"t","senderId":"b@1"},"truncated":false}"#);
        assert_eq!(wrapped.topic.as_deref(), Some("t"));
        assert!(wrapped.is_from(Some("1")) && !wrapped.is_from(Some("2")) && !wrapped.is_from(None));
        let bare = subject(r#"{"id":"m","topicId":"t","senderId":"u@2"}"#);
        assert_eq!(bare.topic.as_deref(), Some("t"));
        assert!(bare.is_from(Some("2")));
        let deleted = subject(r#"{"topicId":"t","message":{"senderId":"1"}}"#);
        assert!(deleted.is_from(Some("1")));
        for text in ["[]", "null", r#"{"topicId":7,"message":"x"}"#] {
            let nothing = subject(text);
            assert!(nothing.topic.is_none() && !nothing.is_from(Some("1")));
        }
    }
}

//! Answers of `/sync` and `/messages`, and events out of them.
//!
//! Source: the Matrix Client-Server API, `GET /sync`, `GET /rooms/{roomId}/messages` and "Room event format". Invariant: a
//! bad event becomes a reject and never harms its page; unknown types and fields pass; a page whose shape is wrong is
//! refused whole, for half of it would be a loss that nobody sees.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;
use sluicebox_core::{Event, Reject, Timestamp, Unread, object_fields};
use sluicebox_http::Answer;

use super::asking::Types;
use crate::item::{Origin, Said, slice};
use crate::page::{fields, is_null, item_fields, split, text};

/// An answer of `/sync`.
pub(super) struct SyncPage<'a> {
    pub(super) next_batch: String,
    /// The rooms with a timeline, joined ones first.
    pub(super) rooms: Vec<Room<'a>>,
}

/// What happened in one room.
pub(super) struct Room<'a> {
    pub(super) id: String,
    /// Whether the account is in it.
    pub(super) is_joined: bool,
    /// Whether events before these are missing.
    pub(super) is_limited: bool,
    /// Oldest first.
    pub(super) events: Vec<&'a RawValue>,
}

impl Room<'_> {
    /// The id of the last event.
    pub(super) fn last(&self) -> Option<String> {
        self.events.last().and_then(|event| id_of(event)).map(Cow::into_owned)
    }
}

/// An answer of `/messages`, read forwards.
pub(super) struct MessagesPage<'a> {
    /// Oldest first.
    pub(super) events: Vec<&'a RawValue>,
    /// Where the page ends; `None`: there is nothing after it.
    pub(super) end: Option<String>,
}

impl MessagesPage<'_> {
    /// Forgets everything after an event, if it is on this page: then this is the last page.
    pub(super) fn cut_after(&mut self, id: &str) {
        let at = self.events.iter().position(|event| id_of(event).is_some_and(|found| found == id));
        if let Some(at) = at {
            self.events.truncate(at + 1);
            self.end = None;
        }
    }
}

fn id_of(event: &RawValue) -> Option<Cow<'_, str>> {
    let [id] = fields(event, ["event_id"])?;
    text(id)
}

/// Reads an answer of `/sync`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn sync(body: &[u8]) -> Result<SyncPage<'_>, String> {
    let whole: &RawValue = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let [next_batch, rooms] = fields(whole, ["next_batch", "rooms"]).ok_or("it is not an object")?;
    let next_batch = text(next_batch).filter(|token| !token.is_empty()).ok_or("it has no `next_batch`")?;
    let mut found = Vec::new();
    if let Some(rooms) = present(rooms) {
        let [joined, left] = fields(rooms, ["join", "leave"]).ok_or("`rooms` is not an object")?;
        for (group, is_joined) in [(joined, true), (left, false)] {
            let Some(group) = present(group) else { continue };
            for (id, room) in object_fields(group.get()).map_err(|error| error.to_string())? {
                found.push(timeline(id, is_joined, room)?);
            }
        }
    }
    Ok(SyncPage { next_batch: next_batch.into_owned(), rooms: found })
}

fn timeline(id: String, is_joined: bool, room: &RawValue) -> Result<Room<'_>, String> {
    let wrong = || format!("the timeline of {id} is not one");
    let [timeline] = fields(room, ["timeline"]).ok_or_else(wrong)?;
    let Some(timeline) = present(timeline) else {
        return Ok(Room { id, is_joined, is_limited: false, events: Vec::new() });
    };
    let [events, limited] = fields(timeline, ["events", "limited"]).ok_or_else(wrong)?;
    let events = match present(events) {
        Some(events) => serde_json::from_str(events.get()).map_err(|_| wrong())?,
        None => Vec::new(),
    };
    let is_limited = limited.is_some_and(|limited| limited.get() == "true");
    Ok(Room { id, is_joined, is_limited, events })
}

fn present(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| !is_null(Some(value)))
}

/// Reads an answer of `/messages`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn messages(body: &[u8]) -> Result<MessagesPage<'_>, String> {
    let page = split(body, "chunk", ["end"]).map_err(|error| error.to_string())?;
    let end = text(page.fields[0]).filter(|end| !end.is_empty()).map(Cow::into_owned);
    Ok(MessagesPage { events: page.items, end })
}

/// Raw events of an answer, each with the room that it happened in, to be read beside the next poll.
#[derive(Default)]
pub(super) struct Items(Vec<(Bytes, Arc<str>)>);

impl Items {
    /// Adds the events of a room.
    pub(super) fn add(&mut self, room: &str, events: &[&RawValue], answer: &Answer) {
        let room: Arc<str> = room.into();
        self.0.extend(events.iter().map(|event| (slice(&answer.body, event), Arc::clone(&room))));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The events of these types.
    pub(super) fn unread(self, types: Types, origin: Origin, answer: &Answer) -> Unread {
        let (count, received) = (self.0.len(), answer.received);
        let read = move || {
            let (mut events, mut rejects) = (Vec::with_capacity(count), Vec::new());
            for (raw, room) in self.0 {
                match event(&raw, Some(&room), &origin, received) {
                    Ok(event) if types.admit(&event.meta().event_type) => events.push(event),
                    Ok(_) => {}
                    Err(reject) => rejects.push(*reject),
                }
            }
            (events, rejects)
        };
        Unread { count, bytes: answer.body.len(), read: Box::new(read) }
    }
}

/// The event of one item of a room, or why it is none. Without `room` the item itself may say where it happened.
pub(super) fn event(
    raw: &Bytes,
    room: Option<&str>,
    origin: &Origin,
    received: Timestamp,
) -> Result<Event, Box<Reject>> {
    let refuse = |why| Box::new(origin.reject(raw.clone(), why, received));
    let names = ["event_id", "type", "origin_server_ts", "room_id"];
    let Some([id, event_type, time, stated_room]) = item_fields(raw, names) else {
        return Err(refuse("the item is not a JSON object"));
    };
    let id = text(id).filter(|id| !id.is_empty()).ok_or_else(|| refuse("the event has no `event_id`"))?;
    let event_type = text(event_type).ok_or_else(|| refuse("the event has no `type`"))?;
    let time = time.and_then(|time| time.get().parse().ok()).map(Timestamp::from_millis);
    let own_room = text(stated_room);
    let key = room.or(own_room.as_deref());
    let said = Said { id: &id, event_type: &event_type, time, key };
    let whole = match room {
        Some(room) if stated_room.is_none() => with_room(raw, room),
        _ => raw.clone(),
    };
    Ok(origin.event(whole, &said, received))
}

/// The text of an event, which has fields, with `room_id` after them.
fn with_room(raw: &Bytes, room: &str) -> Bytes {
    let Some(brace) = raw.iter().rposition(|byte| *byte == b'}') else { return raw.clone() };
    let room = serde_json::Value::from(room).to_string();
    let mut whole = BytesMut::with_capacity(raw.len() + room.len() + 12);
    whole.put_slice(&raw[..brace]);
    whole.put_slice(b",\"room_id\":");
    whole.put_slice(room.as_bytes());
    whole.put_u8(b'}');
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_sync_leaves_out_is_nothing() {
        for body in [
            r#"{"next_batch":"s"}"#,
            r#"{"next_batch":"s","rooms":null}"#,
            r#"{"next_batch":"s","rooms":{"join":null,"invite":{"!i":{"invite_state":{"events":[{}]}}}}}"#,
        ] {
            let page = sync(body.as_bytes()).unwrap();
            assert_eq!((page.next_batch.as_str(), page.rooms.len()), ("s", 0), "{body}");
        }
        let body = r#"{"rooms":{"leave":{"!l":{"timeline":{"events":[{}],"limited":true}}},"join":{"!a":{},
            "!b":{"timeline":{"events":null}}}},"next_batch":"s"}"#;
        let rooms = sync(body.as_bytes()).unwrap().rooms;
        let shown = rooms.iter().map(|room| (&*room.id, room.is_joined, room.is_limited, room.events.len()));
        let expected = [("!a", true, false, 0), ("!b", true, false, 0), ("!l", false, true, 1)];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_not_an_answer_is_refused_whole() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"next_batch":""}"#,
            r#"{"next_batch":7}"#,
            r#"{"next_batch":"s","rooms":[]}"#,
            r#"{"next_batch":"s","rooms":{"join":[]}}"#,
            r#"{"next_batch":"s","rooms":{"join":{"!a":7}}}"#,
            r#"{"next_batch":"s","rooms":{"join":{"!a":{"timeline":[]}}}}"#,
            r#"{"next_batch":"s","rooms":{"join":{"!a":{"timeline":{"events":{}}}}}}"#,
            r#"{"next_batch":"s","rooms":{"join":{"!a":{"timeline":{"events":[]}}"#,
        ] {
            assert!(sync(body.as_bytes()).is_err(), "{body}");
        }
        assert!(messages(b"{\"end\":\"t\"}").is_err());
        assert_eq!(messages(b"{\"chunk\":[],\"end\":\"\"}").unwrap().end, None);
    }

    #[test]
    fn the_room_is_added_behind_bytes_that_stay() {
        let raw = Bytes::from_static(b"{\"a\": 1.10, \"b\":{} }");
        assert_eq!(with_room(&raw, "!\"x"), r#"{"a": 1.10, "b":{} ,"room_id":"!\"x"}"#);
    }
}

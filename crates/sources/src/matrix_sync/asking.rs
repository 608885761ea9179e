//! What is asked: the targets of the requests, and the filters in them.
//!
//! Source: the Matrix Client-Server API, `GET /sync`, `GET /rooms/{roomId}/messages` and "Filtering". Invariant: tokens
//! and ids are opaque and are percent-encoded whole; no request changes anything at the server.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::MatrixSync;
use super::place::Place;

/// What may stand in a path or a query unencoded (RFC 3986, section 2.3).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What of an account is read.
pub(super) struct Asking {
    limit: u32,
    timeout: Duration,
    rooms: Option<Vec<String>>,
    types: Types,
}

impl Asking {
    pub(super) fn new(options: MatrixSync) -> Self {
        let types = Types(options.types.map(Into::into));
        Self { limit: options.limit, timeout: options.timeout.0, rooms: options.rooms, types }
    }

    /// How long the server may hold a sync.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Which types are read.
    pub(super) fn types(&self) -> &Types {
        &self.types
    }

    /// Whether a room is read. Servers filter rooms too, but not all of them do.
    pub(super) fn wants(&self, room: &str) -> bool {
        self.rooms.as_ref().is_none_or(|rooms| rooms.iter().any(|wanted| wanted == room))
    }

    /// The target of the next sync. The first one only has to name rooms and place: it is not held and not long.
    pub(super) fn sync(&self, since: Option<&str>) -> String {
        let (limit, milliseconds) =
            if since.is_some() { (self.limit, self.timeout.as_millis()) } else { (1, 0) };
        let filter = encoded(&self.filter(limit).to_string());
        let since = since.map(|since| format!("since={}&", encoded(since))).unwrap_or_default();
        format!("/_matrix/client/v3/sync?{since}timeout={milliseconds}&set_presence=offline&filter={filter}")
    }

    /// The target of the next page of the room that is being read, forwards and up to the last sync.
    pub(super) fn messages(&self, room: &str, place: &Place) -> String {
        let mut query = vec![("dir", "f".to_owned()), ("limit", self.limit.to_string())];
        query.extend(place.from().map(|from| ("from", encoded(from))));
        query.extend(place.since().map(|since| ("to", encoded(since))));
        if let Some(types) = &self.types.0 {
            query.push(("filter", encoded(&json!({ "types": &types[..] }).to_string())));
        }
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("/_matrix/client/v3/rooms/{}/messages?{}", encoded(room), pairs.join("&"))
    }

    /// Only timelines: state would be the whole state of every room, of which the timelines tell every change.
    fn filter(&self, limit: u32) -> Value {
        let nothing = json!({ "not_types": ["*"] });
        let mut timeline = json!({ "limit": limit });
        if let Some(types) = &self.types.0 {
            timeline["types"] = json!(types[..]);
        }
        let mut room = json!({
            "timeline": timeline,
            "state": { "not_types": ["*"], "lazy_load_members": true },
            "ephemeral": nothing,
            "account_data": nothing,
        });
        if let Some(rooms) = &self.rooms {
            room["rooms"] = json!(rooms);
        }
        json!({ "presence": nothing, "account_data": nothing, "room": room })
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// Types of events, `*` standing for any characters; `None`: all.
#[derive(Clone)]
pub(super) struct Types(Option<Arc<[String]>>);

impl Types {
    /// Whether events of this type are read. Servers filter types too, but not all of them do.
    pub(super) fn admit(&self, event_type: &str) -> bool {
        self.0.as_ref().is_none_or(|types| types.iter().any(|pattern| matches(pattern, event_type)))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, expected) in [
            ("m.room.message", "m.room.message", true),
            ("m.room.message", "m.room.messages", false),
            ("m.room.*", "m.room.", true),
            ("m.room.*", "m.reaction", false),
            ("*", "", true),
            ("*.message", "m.room.message", true),
            ("*message*", "m.room.message", true),
            ("m.*.*.x", "m.a.b.x", true),
            ("m.*.*.x", "m.a.x", false),
            ("ab*ba", "aba", false),
            ("a**b", "a b", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}

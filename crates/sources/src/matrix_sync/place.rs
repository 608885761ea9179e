//! Where a reader of `/sync` stands, and how that is written as a cursor.
//!
//! Between two answers of `/sync` every room whose timeline was cut short is read page by page. The cursor is the server's
//! own `next_batch` while there is no such room, so that `cursor show` is readable, and else a JSON object. Invariant: what
//! lies between the two syncs and has not been passed on can be found again with what the cursor holds alone.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use sluicebox_core::{Cursor, Error, Result};

/// A place in everything that happens in the rooms of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// `next_batch` of the last sync, where the next one begins; `None`: there was none.
    since: Option<String>,
    /// `next_batch` of the sync before it, where the rooms are read from; `None`: from their beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// The rooms that are to be read up to `since`; the first is being read.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    rooms: VecDeque<String>,
    /// The last event of the rooms that were left: servers show more than that to those who were there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    until: BTreeMap<String, String>,
    /// Where the reading of the first room goes on; `None`: it has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// The rooms that a sync leaves to be read.
#[derive(Default)]
pub(super) struct Rooms {
    names: VecDeque<String>,
    until: BTreeMap<String, String>,
}

impl Rooms {
    /// A room, to be read up to the sync, or up to one event.
    pub(super) fn add(&mut self, room: String, until: Option<String>) {
        self.until.extend(until.map(|event| (room.clone(), event)));
        self.names.push_back(room);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Place {
    /// The place that a cursor names.
    ///
    /// # Errors
    /// `Config`: the text is no cursor of this source.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if !text.starts_with('{') {
            return Ok(Self {
                since: Some(text.to_owned()).filter(|text| !text.is_empty()),
                ..Self::default()
            });
        }
        serde_json::from_str(text).map_err(|error| {
            Error::config("the cursor is damaged")
                .with_reason("cursor_rejected")
                .with_help(
                    "set a good one with `sluicebox cursor set`, for example a `next_batch` of the server",
                )
                .with_cause(error)
        })
    }

    /// The cursor to save.
    pub(super) fn to_cursor(&self) -> Option<Cursor> {
        let since = self.since.as_deref()?;
        if self.rooms.is_empty() {
            return Some(Cursor::from(since));
        }
        let text = serde_json::to_string(self).expect("text and lists of text can be written as JSON");
        Some(Cursor::from(text))
    }

    /// Where the next sync begins.
    pub(super) fn since(&self) -> Option<&str> {
        self.since.as_deref()
    }

    /// The room that is to be read before the next sync.
    pub(super) fn room(&self) -> Option<&str> {
        self.rooms.front().map(String::as_str)
    }

    /// Where the next page of that room begins; `None`: with the first event that it holds.
    pub(super) fn from(&self) -> Option<&str> {
        self.from.as_deref().or(self.after.as_deref())
    }

    /// The event after which nothing of that room is read, if it was left.
    pub(super) fn until(&self) -> Option<&str> {
        self.until.get(self.room()?).map(String::as_str)
    }

    /// A sync came, and these rooms are to be read from the one before.
    pub(super) fn synced(&mut self, next_batch: String, rooms: Rooms) {
        let before = self.since.replace(next_batch).filter(|_| !rooms.is_empty());
        (self.after, self.from) = (before, None);
        (self.rooms, self.until) = (rooms.names, rooms.until);
    }

    /// A page of the room was read, and this is where it ends.
    pub(super) fn turned(&mut self, end: String) {
        self.from = Some(end);
    }

    /// The room was read up to the last sync, or cannot be read.
    pub(super) fn leave_room(&mut self) {
        if let Some(room) = self.rooms.pop_front() {
            self.until.remove(&room);
        }
        self.from = None;
        if self.rooms.is_empty() {
            self.after = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms<const N: usize>(rooms: [(&str, Option<&str>); N]) -> Rooms {
        let mut named = Rooms::default();
        for (room, until) in rooms {
            named.add(room.to_owned(), until.map(str::to_owned));
        }
        named
    }

    fn reopened(place: &Place) -> Place {
        Place::parse(&place.to_cursor().unwrap().to_text()).unwrap()
    }

    #[test]
    fn the_tokens_of_the_server_are_the_cursor_while_nothing_is_missing() {
        assert_eq!(Place::default().to_cursor(), None);
        let mut place = Place::default();
        place.synced("s1_2".to_owned(), Rooms::default());
        assert_eq!(place.to_cursor().unwrap().as_bytes(), b"s1_2");
        place.synced("s2_2".to_owned(), Rooms::default());
        assert_eq!((place.since(), place.room(), &reopened(&place)), (Some("s2_2"), None, &place));
    }

    #[test]
    fn the_work_that_is_left_survives_a_restart_at_every_step() {
        let mut place = Place::parse("s1").unwrap();
        place.synced("s2".to_owned(), rooms([("!a", Some("$9")), ("!b", None)]));
        let expected = r#"{"since":"s2","after":"s1","rooms":["!a","!b"],"until":{"!a":"$9"}}"#;
        assert_eq!(place.to_cursor().unwrap().to_text(), expected);
        assert_eq!((place.room(), place.from(), place.until()), (Some("!a"), Some("s1"), Some("$9")));
        place.turned("t\"5".to_owned());
        assert_eq!(reopened(&place).from(), Some("t\"5"));
        assert_eq!(reopened(&place), place);
        place.leave_room();
        assert_eq!((place.room(), place.from(), &reopened(&place)), (Some("!b"), Some("s1"), &place));
        assert_eq!(place.until(), None);
        place.leave_room();
        assert_eq!(place, Place::parse("s2").unwrap());
    }

    #[test]
    fn rooms_are_read_from_their_beginning_after_the_first_sync() {
        let mut place = Place::default();
        place.synced("s1".to_owned(), rooms([("!a", None)]));
        assert_eq!((place.room(), place.from(), &reopened(&place)), (Some("!a"), None, &place));
    }

    #[test]
    fn damaged_cursors_are_refused_and_those_of_a_person_are_not() {
        assert!(Place::parse(r#"{"since":"s1","rooms":"#).is_err());
        assert!(Place::parse(r#"{"since":"s1","room":[]}"#).is_err());
        assert!(Place::parse("{odd}").is_err());
        let turned_round = Place::parse(r#"{ "rooms": ["!a"], "since": "s1" }"#).unwrap();
        assert_eq!((turned_round.since(), turned_round.room()), (Some("s1"), Some("!a")));
        assert_eq!(Place::parse("").unwrap(), Place::default());
    }
}

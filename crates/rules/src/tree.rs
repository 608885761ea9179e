//! JSON text into a Rhai value, straight from serde: no intermediate tree.
//!
//! The last of duplicate keys wins; integers above `i64::MAX` become floats. Every map read here carries a tag, so
//! that a script's last value can be told from a map that the script made itself.

use rhai::{Array, Dynamic, Identifier, Map};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use crate::budget;

/// Tag of the event itself.
pub(crate) const EVENT_TAG: i32 = 1;
/// Tag of a map inside the event.
pub(crate) const NESTED_TAG: i32 = 2;
/// Tag of a map of the event, or the event itself, of which only some fields were read.
pub(crate) const PARTIAL_TAG: i32 = 3;
/// Tag of a map that a script made.
const OWN_TAG: i32 = 0;

/// Reads an event; everything in it is tagged as coming from there.
///
/// # Errors
/// What RFC 8259 allows but no tree can hold (lone surrogates, `1e400`, nesting beyond 127), and what is not JSON.
pub(crate) fn read_event(json: &[u8]) -> Result<Dynamic, serde_json::Error> {
    let mut event = read(json, NESTED_TAG)?;
    event.set_tag(EVENT_TAG);
    Ok(event)
}

/// Reads a part of an event.
///
/// # Errors
/// As [`read_event`].
pub(crate) fn read_part(json: &[u8]) -> Result<Dynamic, serde_json::Error> {
    read(json, NESTED_TAG)
}

/// Reads any JSON text as a value of a script's own.
///
/// # Errors
/// As [`read_event`].
pub(crate) fn read_value(json: &[u8]) -> Result<Dynamic, serde_json::Error> {
    read(json, OWN_TAG)
}

fn read(json: &[u8], tag: i32) -> Result<Dynamic, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Tree { tag }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// An event of which nothing was read.
pub(crate) fn unread_event() -> Dynamic {
    let mut event = Dynamic::from_map(Map::new());
    event.set_tag(PARTIAL_TAG);
    event
}

/// What stands for a value of the event that nobody looks at.
#[derive(Clone)]
struct Unread;

/// A value of the event that was not read.
pub(crate) fn unread() -> Dynamic {
    let mut value = Dynamic::from(Unread);
    value.set_tag(PARTIAL_TAG);
    value
}

/// Whether a value was not read.
pub(crate) fn is_unread(value: &Dynamic) -> bool {
    value.is::<Unread>()
}

/// Whether something of a value of the event was not read.
pub(crate) fn is_partial(value: &Dynamic) -> bool {
    value.tag() == PARTIAL_TAG
}

#[derive(Clone, Copy)]
struct Tree {
    tag: i32,
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Dynamic;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dynamic, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Dynamic;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Dynamic, E> {
        #[allow(clippy::cast_precision_loss, reason = "integers beyond i64 are floats in rules, by contract")]
        Ok(i64::try_from(value).map_or_else(|_| (value as f64).into(), Dynamic::from))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::UNIT)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Dynamic, A::Error> {
        let mut array = Array::new();
        while let Some(element) = elements.next_element_seed(self)? {
            array.push(element);
            room()?;
        }
        Ok(Dynamic::from_array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Dynamic, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key_seed(Name)? {
            let value = entries.next_value_seed(self)?;
            map.insert(name, value);
            room()?;
        }
        let mut map = Dynamic::from_map(map);
        map.set_tag(self.tag);
        Ok(map)
    }
}

/// Three bytes of JSON can take fifty of a tree, so what is read counts while it is read.
fn room<E: Error>() -> Result<(), E> {
    if budget::is_out_of_memory() { Err(E::custom("out of memory")) } else { Ok(()) }
}

/// Whether reading ended because the event would have held too much; anything else is about the text.
pub(crate) fn is_too_large(error: &serde_json::Error) -> bool {
    error.is_data()
}

/// A key, without a `String` in between.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Identifier;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Identifier, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Identifier;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Identifier, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_duplicate_wins_and_great_integers_become_floats() {
        let event = read_event(br#"{"a":1,"a":2,"big":18446744073709551615,"n":null}"#).unwrap();
        let map = event.as_map_ref().unwrap();
        assert_eq!(map["a"].as_int(), Ok(2));
        assert!((map["big"].as_float().unwrap() - 1.844_674_407_370_955_2e19).abs() < 1.0);
        assert!(map["n"].is_unit());
    }

    #[test]
    fn what_no_tree_can_hold_is_an_error() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for text in [r#"{"a":"\ud800"}"#, r#"{"a":1e400}"#, "{", "{} x", deep.as_str()] {
            assert!(read_event(text.as_bytes()).is_err(), "{text}");
        }
    }
}

//! A Rhai value into JSON text: keys sorted, numbers in their shortest form, the same bytes for the same value.
//!
//! A changed event is written as a patch of its own text: what the script left alone keeps its place and its bytes
//! (`1.10`, integers beyond `i64`, key order), at every depth. Only what changed is written anew; new keys come last.

use std::io::Write;

use rhai::{Dynamic, Map};

use crate::compare::same;
use crate::{limits, lower};

/// A value that has no JSON form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    /// A function, a range, a blob.
    #[error("a value of type {0} cannot be written as JSON")]
    Type(String),
    /// Infinity or not a number.
    #[error("{0} is not a number that JSON can hold")]
    Number(f64),
    /// Too deep.
    #[error("the value is nested deeper than {} levels", limits::VALUE_DEPTH)]
    Depth,
    /// Too much.
    #[error("the JSON is larger than {0} bytes")]
    Size(usize),
}

/// JSON text of a value.
///
/// # Errors
/// [`Unwritable`].
pub(crate) fn json(value: &Dynamic) -> Result<Vec<u8>, Unwritable> {
    json_within(value, limits::OUTPUT_BYTES)
}

/// JSON text of a value, of so many bytes at most; a text inside it may be longer than what is left.
///
/// # Errors
/// [`Unwritable`].
pub(crate) fn json_within(value: &Dynamic, most: usize) -> Result<Vec<u8>, Unwritable> {
    let mut writer = Writer { out: Vec::new(), most };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// JSON text of `new`, made from the text of `old` by changing no more than what differs.
///
/// # Errors
/// [`Unwritable`].
pub(crate) fn patched(text: &[u8], old: &Dynamic, new: &Dynamic) -> Result<Vec<u8>, Unwritable> {
    let mut writer = Writer { out: Vec::with_capacity(text.len() + 64), most: limits::OUTPUT_BYTES };
    match (std::str::from_utf8(text), old.as_map_ref(), new.as_map_ref()) {
        (Ok(text), Ok(old), Ok(new)) => writer.patch(text, &old, &new, 0)?,
        _ => writer.value(new, 0)?,
    }
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    most: usize,
}

impl Writer {
    fn value(&mut self, value: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        if depth > limits::VALUE_DEPTH {
            return Err(Unwritable::Depth);
        }
        if self.out.len() > self.most {
            return Err(Unwritable::Size(self.most));
        }
        if value.is_unit() {
            self.out.extend_from_slice(b"null");
        } else if let Ok(text) = value.as_immutable_string_ref() {
            self.text(&text);
        } else if let Ok(number) = value.as_int() {
            self.display(number);
        } else if let Ok(number) = value.as_float() {
            self.float(number)?;
        } else if let Ok(truth) = value.as_bool() {
            self.display(truth);
        } else if let Ok(number) = value.as_decimal() {
            self.display(number);
        } else if let Ok(character) = value.as_char() {
            self.text(character.encode_utf8(&mut [0; 4]));
        } else if let Ok(map) = value.as_map_ref() {
            self.map(&map, depth)?;
        } else if let Ok(array) = value.as_array_ref() {
            self.out.push(b'[');
            for (index, element) in array.iter().enumerate() {
                self.separate(index == 0);
                self.value(element, depth + 1)?;
            }
            self.out.push(b']');
        } else {
            return Err(Unwritable::Type(value.type_name().to_owned()));
        }
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<(), Unwritable> {
        self.out.push(b'{');
        for (index, (name, value)) in map.iter().enumerate() {
            self.separate(index == 0);
            self.entry(name, value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn entry(&mut self, name: &str, value: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        self.text(name);
        self.out.push(b':');
        self.value(value, depth + 1)
    }

    /// `text` is the JSON of `old`, an object.
    fn patch(&mut self, text: &str, old: &Map, new: &Map, depth: usize) -> Result<(), Unwritable> {
        let Some(fields) = lower::object_fields(text) else {
            return self.map(new, depth);
        };
        self.out.push(b'{');
        let mut first = true;
        let duplicates = fields.len() != old.len();
        for (index, (name, raw)) in fields.iter().enumerate() {
            let repeated = duplicates && fields[index + 1..].iter().any(|(later, _)| later == name);
            let Some(value) = new.get(&**name).filter(|_| !repeated) else { continue };
            self.separate(first);
            first = false;
            self.text(name);
            self.out.push(b':');
            let before = old.get(&**name);
            let maps = before.map(|before| (before.as_map_ref(), value.as_map_ref()));
            if before.is_some_and(|before| same(before, value)) {
                self.out.extend_from_slice(raw.as_bytes());
            } else if let Some((Ok(before), Ok(after))) = maps {
                self.patch(raw, &before, &after, depth + 1)?;
            } else {
                self.value(value, depth + 1)?;
            }
        }
        for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(name.as_str())) {
            self.separate(first);
            first = false;
            self.entry(name, value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        write!(self.out, "{value}").expect("writing to memory cannot fail");
    }

    fn float(&mut self, number: f64) -> Result<(), Unwritable> {
        if !number.is_finite() {
            return Err(Unwritable::Number(number));
        }
        serde_json::to_writer(&mut self.out, &number).expect("a finite number is JSON");
        Ok(())
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.out, text).expect("text is JSON");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{read_event, read_value};

    #[test]
    fn values_are_written_the_same_way_every_time() {
        let text = r#"{"b":[1,-2.5,null,true,"\u0001\"é"],"a":{}}"#;
        let written = json(&read_value(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), r#"{"a":{},"b":[1,-2.5,null,true,"\u0001\"é"]}"#);
    }

    #[test]
    fn a_patch_keeps_what_was_left_alone() {
        let text = r#"{ "z": 1.10, "big": 18446744073709551616, "in": {"y": 1e2, "x": 0}, "a": 1,"a":2, "gone": 3 }"#;
        let old = read_event(text.as_bytes()).unwrap();
        let new = read_event(br#"{"z":1.1,"big":18446744073709551616,"in":{"x":5,"y":100.0},"a":2,"n":[]}"#);
        let written = patched(text.as_bytes(), &old, &new.unwrap()).unwrap();
        let expected = r#"{"z":1.10,"big":18446744073709551616,"in":{"y":1e2,"x":5},"a":2,"n":[]}"#;
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        assert!(matches!(json(&Dynamic::from(f64::NAN)), Err(Unwritable::Number(_))));
        assert!(matches!(json(&Dynamic::from(1_i64..3)), Err(Unwritable::Type(_))));
    }
}

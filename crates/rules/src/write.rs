//! A Rhai value into JSON text: keys sorted, numbers in their shortest form, the same bytes for the same value.
//!
//! A changed event is written as a patch of its own text: what the script left alone keeps its place and its bytes
//! (`1.10`, integers beyond `i64`, key order), at every depth. Only what changed is written anew; new keys come last.

use std::io::Write;

use rhai::{Dynamic, Map};

use crate::compare::same;
use crate::{limits, lower, tree};

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
    let mut writer = Writer { out: Vec::new(), most, is_changed: false };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// JSON text of `new`, made from the text of `old` by changing no more than what differs; `None` if nothing does.
///
/// Of `old` only some fields may have been read. Then those that were not are still there in a `new` that is the same
/// map, changed; any other map says what it holds, and what is not known of `old` is read.
///
/// # Errors
/// [`Unwritable`].
pub(crate) fn patched(text: &[u8], old: &Dynamic, new: &Dynamic) -> Result<Option<Vec<u8>>, Unwritable> {
    let out = Vec::with_capacity(text.len() + 64);
    let mut writer = Writer { out, most: limits::OUTPUT_BYTES, is_changed: false };
    match std::str::from_utf8(text) {
        Ok(text) if old.is_map() && new.is_map() => writer.patch(text, old, new, 0)?,
        _ => writer.anew(new, 0)?,
    }
    Ok(writer.is_changed.then_some(writer.out))
}

struct Writer {
    out: Vec<u8>,
    most: usize,
    /// Of a patch: whether anything differs.
    is_changed: bool,
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
            self.name(name);
            self.value(value, depth + 1)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Something that differs from what was there.
    fn anew(&mut self, value: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        self.is_changed = true;
        self.value(value, depth)
    }

    /// `text` is the JSON of `old`; both values are maps.
    fn patch(&mut self, text: &str, old: &Dynamic, new: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        let (is_part, leaves_rest) = (tree::is_partial(old), tree::is_partial(new));
        let (Some(fields), Ok(old), Ok(new)) =
            (lower::object_fields(text), old.as_map_ref(), new.as_map_ref())
        else {
            return self.anew(new, depth);
        };
        self.out.push(b'{');
        let mut first = true;
        let duplicates = is_part || fields.len() != old.len();
        for (index, (name, raw)) in fields.iter().enumerate() {
            if duplicates && fields[index + 1..].iter().any(|(later, _)| later == name) {
                continue;
            }
            let before = old.get(&**name);
            if before.is_none() && leaves_rest {
                self.separate(first);
                self.name(name);
                self.out.extend_from_slice(raw.as_bytes());
            } else if let Some(value) = new.get(&**name) {
                self.separate(first);
                self.name(name);
                self.patch_value(raw, before, value, depth + 1)?;
            } else {
                self.is_changed = true;
                continue;
            }
            first = false;
        }
        let is_old = |name: &str| match old.contains_key(name) {
            false if is_part => fields.iter().any(|(field, _)| field == name),
            is_old => is_old,
        };
        for (name, value) in new.iter().filter(|(name, _)| !is_old(name)) {
            self.separate(first);
            first = false;
            self.name(name);
            self.anew(value, depth + 1)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// `text` is the JSON of what stood where `value` stands now; `before` is what was read of it.
    fn patch_value(
        &mut self,
        text: &str,
        before: Option<&Dynamic>,
        value: &Dynamic,
        depth: usize,
    ) -> Result<(), Unwritable> {
        let is_known = |before: &&Dynamic| !tree::is_partial(before) || tree::is_partial(value);
        let read;
        let before = match before.filter(is_known) {
            Some(before) => before,
            None => match tree::read_part(text.as_bytes()) {
                Ok(all) => {
                    read = all;
                    &read
                }
                Err(_) => return self.anew(value, depth),
            },
        };
        if same(before, value) {
            self.out.extend_from_slice(text.as_bytes());
            Ok(())
        } else if before.is_map() && value.is_map() {
            self.patch(text, before, value, depth)
        } else {
            self.anew(value, depth)
        }
    }

    fn name(&mut self, name: &str) {
        self.text(name);
        self.out.push(b':');
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
        let written = patched(text.as_bytes(), &old, &new.unwrap()).unwrap().unwrap();
        let expected = r#"{"z":1.10,"big":18446744073709551616,"in":{"y":1e2,"x":5},"a":2,"n":[]}"#;
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        assert!(matches!(json(&Dynamic::from(f64::NAN)), Err(Unwritable::Number(_))));
        assert!(matches!(json(&Dynamic::from(1_i64..3)), Err(Unwritable::Type(_))));
    }
}

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
/// Where `old` was not read as a whole, what is missing of it is read.
///
/// # Errors
/// [`Unwritable`].
pub(crate) fn patched(text: &[u8], old: &Dynamic, new: &Dynamic) -> Result<Option<Vec<u8>>, Unwritable> {
    let mut writer = Writer::with_capacity(text.len() + 64);
    match std::str::from_utf8(text) {
        Ok(text) if old.is_map() && new.is_map() => writer.patch(text, old, new, 0)?,
        _ => writer.anew(new, 0)?,
    }
    Ok(writer.changed())
}

/// Writes JSON, value by value.
pub(crate) struct Writer {
    out: Vec<u8>,
    most: usize,
    /// Of a patch: whether anything differs.
    is_changed: bool,
}

impl Writer {
    /// Into memory of so many bytes, to begin with.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), most: limits::OUTPUT_BYTES, is_changed: false }
    }

    /// What was written, if anything differs.
    pub(crate) fn changed(self) -> Option<Vec<u8>> {
        self.is_changed.then_some(self.out)
    }

    /// Begins a map.
    pub(crate) fn open(&mut self) {
        self.out.push(b'{');
    }

    /// Ends a map.
    pub(crate) fn close(&mut self) {
        self.out.push(b'}');
    }

    /// A name of a map.
    pub(crate) fn name(&mut self, name: &str) {
        self.separate();
        self.text(name);
        self.out.push(b':');
    }

    /// A name as it stood in the text, without its quotes.
    pub(crate) fn key(&mut self, key: &[u8]) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(b"\":");
    }

    /// A value as it stood in the text.
    pub(crate) fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    /// Something that was there is not any more.
    pub(crate) fn leave_out(&mut self) {
        self.is_changed = true;
    }

    /// Something that differs from what was there.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(crate) fn anew(&mut self, value: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        self.is_changed = true;
        self.value(value, depth)
    }

    /// What `write` writes, or the text as it stood if that changes nothing.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(crate) fn raw_unless_changed(
        &mut self,
        text: &[u8],
        write: impl FnOnce(&mut Self) -> Result<(), Unwritable>,
    ) -> Result<(), Unwritable> {
        let (start, was_changed) = (self.out.len(), std::mem::take(&mut self.is_changed));
        write(self)?;
        if !self.is_changed {
            self.out.truncate(start);
            self.raw(text);
        }
        self.is_changed |= was_changed;
        Ok(())
    }

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
            for element in array.iter() {
                self.separate();
                self.value(element, depth + 1)?;
            }
            self.out.push(b']');
        } else {
            return Err(Unwritable::Type(value.type_name().to_owned()));
        }
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<(), Unwritable> {
        self.open();
        for (name, value) in map {
            self.name(name);
            self.value(value, depth + 1)?;
        }
        self.close();
        Ok(())
    }

    /// `text` is the JSON of `old`; both values are maps.
    fn patch(&mut self, text: &str, old: &Dynamic, new: &Dynamic, depth: usize) -> Result<(), Unwritable> {
        let is_part = tree::is_partial(old);
        let (Some(fields), Ok(old), Ok(new)) =
            (lower::object_fields(text), old.as_map_ref(), new.as_map_ref())
        else {
            return self.anew(new, depth);
        };
        self.open();
        let duplicates = is_part || fields.len() != old.len();
        for (index, (name, raw)) in fields.iter().enumerate() {
            if duplicates && fields[index + 1..].iter().any(|(later, _)| later == name) {
                continue;
            }
            let Some(value) = new.get(&**name) else {
                self.leave_out();
                continue;
            };
            self.name(name);
            match old.get(&**name) {
                Some(before) => self.patch_value(raw, before, value, depth + 1)?,
                None => match tree::read_part(raw.as_bytes()) {
                    Ok(before) => self.patch_value(raw, &before, value, depth + 1)?,
                    Err(_) => self.anew(value, depth + 1)?,
                },
            }
        }
        let is_old = |name: &str| match old.contains_key(name) {
            false if is_part => fields.iter().any(|(field, _)| field == name),
            is_old => is_old,
        };
        for (name, value) in new.iter().filter(|(name, _)| !is_old(name)) {
            self.name(name);
            self.anew(value, depth + 1)?;
        }
        self.close();
        Ok(())
    }

    /// `text` is the JSON of `before`, in whose place `value` stands.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(crate) fn patch_value(
        &mut self,
        text: &str,
        before: &Dynamic,
        value: &Dynamic,
        depth: usize,
    ) -> Result<(), Unwritable> {
        if same(before, value) {
            self.raw(text.as_bytes());
            Ok(())
        } else if before.is_map() && value.is_map() {
            self.patch(text, before, value, depth)
        } else {
            self.anew(value, depth)
        }
    }

    /// A comma, unless something just began.
    fn separate(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[') | None) {
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

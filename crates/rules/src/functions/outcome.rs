//! What our functions answer with: values within the limits, or an error that says which function expected what.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::error::kind;
use crate::limits;

/// The value of a function, or why there is none.
pub(super) type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// How much of a text an error shows.
const SHOWN_CHARACTERS: usize = 60;

/// `FUNCTION expected WHAT, found WHAT`.
#[allow(clippy::unnecessary_box_returns, reason = "it is what Rhai's functions fail with")]
pub(super) fn fault(function: &str, expected: &str, found: &str) -> Box<EvalAltResult> {
    format!("`{function}` expected {expected}, found {found}").into()
}

/// A text in an error: quoted, and not longer than a line.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// A value in an error: a text or a number as it is, of all else its kind.
pub(super) fn shown(value: &Dynamic) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        quoted(&text)
    } else if value.is_int() || value.is_float() || value.is_decimal() {
        value.to_string()
    } else {
        kind(value.type_name()).to_owned()
    }
}

/// A count, length or index that a rule gave: not negative.
pub(super) fn count(function: &str, what: &str, number: i64) -> Outcome<usize> {
    usize::try_from(number).map_err(|_| fault(function, &format!("{what} of 0 or more"), &number.to_string()))
}

/// Text, a number, true or false as text; a missing value as none.
pub(super) fn plain(function: &str, value: &Dynamic) -> Outcome<String> {
    if value.is_unit() {
        return Ok(String::new());
    }
    if value.is_map() || value.is_array() || value.is_fnptr() {
        return Err(fault(function, "text or a number", &shown(value)));
    }
    Ok(value.to_string())
}

/// A text that is being made and ends before it is larger than a rule may hold: Rhai measures a value only once it
/// is there.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds to the end.
    ///
    /// # Errors
    /// The text would be too large.
    pub(super) fn push(&mut self, part: &str) -> Outcome<()> {
        if self.0.len() + part.len() > limits::TEXT_BYTES {
            return Err(too_large(limits::TEXT));
        }
        self.0.push_str(part);
        Ok(())
    }

    /// Adds `part` many times.
    ///
    /// # Errors
    /// The text would be too large.
    pub(super) fn push_many(&mut self, part: &str, times: usize) -> Outcome<()> {
        if part.len().checked_mul(times).is_none_or(|bytes| bytes > limits::TEXT_BYTES) {
            return Err(too_large(limits::TEXT));
        }
        // Nothing many times over is nothing, at once.
        let times = if part.is_empty() { 0 } else { times };
        (0..times).try_for_each(|_| self.push(part))
    }

    /// What was made.
    pub(super) fn done(self) -> String {
        self.0
    }
}

/// A list made from parts, ended before it holds more than a rule may.
///
/// # Errors
/// There are too many parts.
pub(super) fn list(parts: impl Iterator<Item = Outcome<Dynamic>>) -> Outcome<rhai::Array> {
    let mut list = rhai::Array::new();
    for part in parts {
        let part = part?;
        if list.len() >= limits::ARRAY_ELEMENTS {
            return Err(too_large(limits::LIST));
        }
        list.push(part);
    }
    Ok(list)
}

/// Parts of a text as a list, ended before it holds more than a rule may.
///
/// # Errors
/// There are too many parts.
pub(super) fn texts<'t>(parts: impl Iterator<Item = &'t str>) -> Outcome<rhai::Array> {
    list(parts.map(|part| Ok(part.into())))
}

/// Something grew over its limit.
#[allow(clippy::unnecessary_box_returns, reason = "it is what Rhai's functions fail with")]
pub(super) fn too_large(what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE).into()
}

//! Values of native rules, and what operators and functions make of them: what Rhai makes of the same, no more.
//!
//! Invariant: where Rhai would fail, or where its answer is not certain from here, the answer is [`Unusual`].

use std::borrow::Cow;
use std::cmp::Ordering;

use super::scan::{Kind, Native, Span, Token, Unusual, decoded};
use crate::tree;

/// Bytes of a text that may be made natively; the limit of the interpreter is far above.
const TEXT_BYTES: usize = 64 << 10;

/// A value; texts as UTF-8 bytes, maps and lists as their JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, [u8]>),
    Map(&'a [u8]),
    List(&'a [u8]),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Different,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl<'a> Value<'a> {
    /// The value that a token stands for.
    #[inline]
    pub(super) fn of(token: Token, bytes: &'a [u8]) -> Native<Self> {
        Ok(match token.kind {
            Kind::Missing | Kind::Null => Self::Unit,
            Kind::Blocked => return Err(Unusual),
            Kind::True => Self::Bool(true),
            Kind::False => Self::Bool(false),
            Kind::Text => Self::Text(Cow::Borrowed(token.span.of(bytes))),
            Kind::EscapedText => Self::Text(Cow::Owned(decoded(bytes, token.span)?.into_bytes())),
            Kind::Number => number(token.span, bytes)?,
            Kind::Map => Self::Map(token.span.of(bytes)),
            Kind::List => Self::List(token.span.of(bytes)),
        })
    }

    /// True or false.
    pub(super) fn truth(&self) -> Native<bool> {
        if let Self::Bool(truth) = self { Ok(*truth) } else { Err(Unusual) }
    }

    /// The bytes of a text.
    pub(super) fn text(&self) -> Native<&[u8]> {
        if let Self::Text(text) = self { Ok(text) } else { Err(Unusual) }
    }

    /// The same, owned by nobody else.
    pub(super) fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Unit => Value::Unit,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Int(number) => Value::Int(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Map(text) => Value::Map(text),
            Self::List(text) => Value::List(text),
        }
    }
}

/// Whole numbers of up to 18 digits by hand; everything else as the interpreter reads it.
fn number(span: Span, bytes: &[u8]) -> Native<Value<'static>> {
    let text = span.of(bytes);
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    // `-0` is a number with a fraction.
    if is_whole && !(text.len() > digits.len() && digits == b"0") {
        let amount = digits.iter().fold(0, |amount, digit| amount * 10 + i64::from(digit - b'0'));
        return Ok(Value::Int(if text.len() > digits.len() { -amount } else { amount }));
    }
    let read = tree::read_value(text).map_err(|_| Unusual)?;
    match (read.as_int(), read.as_float()) {
        (Ok(number), _) => Ok(Value::Int(number)),
        (_, Ok(number)) => Ok(Value::Float(number)),
        _ => Err(Unusual),
    }
}

/// Compares two values.
#[inline]
pub(super) fn compare(by: Comparison, left: &Value<'_>, right: &Value<'_>) -> Native<bool> {
    use Value as V;
    let ordering = match (left, right) {
        (V::Text(left), V::Text(right)) => left.cmp(right),
        (V::Int(left), V::Int(right)) => left.cmp(right),
        (V::Bool(left), V::Bool(right)) => left.cmp(right),
        (V::Float(left), V::Float(right)) => return Ok(compare_floats(by, *left, *right)),
        (V::Float(left), V::Int(right)) => return Ok(compare_floats(by, *left, float(*right))),
        (V::Int(left), V::Float(right)) => return Ok(compare_floats(by, float(*left), *right)),
        (V::Map(_), V::Map(_)) | (V::List(_), V::List(_)) => return Err(Unusual),
        // Nothing compares with a missing value, nor do values of different types.
        _ => return Ok(by == Comparison::Different),
    };
    Ok(match by {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::Different => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::AtMost => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::AtLeast => ordering != Ordering::Less,
    })
}

#[allow(clippy::cast_precision_loss, reason = "as Rhai compares a whole number with a fraction")]
fn float(number: i64) -> f64 {
    number as f64
}

/// As Rhai compares numbers with fractions: within the precision of their kind (`func/builtin.rs` of Rhai 1.27).
#[allow(clippy::float_cmp, reason = "the comparison is meant as it stands")]
fn compare_floats(by: Comparison, left: f64, right: f64) -> bool {
    let greatest = if left * right == 0.0 { 1.0 } else { left.abs().max(right.abs()) };
    let difference = (left - right) / greatest;
    match by {
        Comparison::Equal => difference.abs() <= f64::EPSILON,
        Comparison::Different => difference.abs() > f64::EPSILON,
        Comparison::Greater => difference > f64::EPSILON,
        Comparison::AtLeast => difference > -f64::EPSILON,
        Comparison::Less => -difference > f64::EPSILON,
        Comparison::AtMost => -difference > -f64::EPSILON,
    }
}

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    IsEmpty,
    Lower,
    Upper,
    Trim,
    IsMissing,
    IsText,
    IsNumber,
    IsBool,
    IsList,
    IsMap,
}

impl Function {
    /// The function of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "len" => Self::Length,
            "is_empty" => Self::IsEmpty,
            "to_lower" => Self::Lower,
            "to_upper" => Self::Upper,
            "trim" => Self::Trim,
            "is_missing" => Self::IsMissing,
            "is_text" => Self::IsText,
            "is_number" => Self::IsNumber,
            "is_bool" => Self::IsBool,
            "is_list" => Self::IsList,
            "is_map" => Self::IsMap,
            _ => return None,
        })
    }

    /// What it makes of a value.
    pub(super) fn call(self, value: Value<'_>) -> Native<Value<'_>> {
        match self {
            Self::IsMissing => return Ok(Value::Bool(value == Value::Unit)),
            Self::IsText => return Ok(Value::Bool(matches!(value, Value::Text(_)))),
            Self::IsNumber => return Ok(Value::Bool(matches!(value, Value::Int(_) | Value::Float(_)))),
            Self::IsBool => return Ok(Value::Bool(matches!(value, Value::Bool(_)))),
            Self::IsList => return Ok(Value::Bool(matches!(value, Value::List(_)))),
            Self::IsMap => return Ok(Value::Bool(matches!(value, Value::Map(_)))),
            Self::Length | Self::IsEmpty | Self::Lower | Self::Upper | Self::Trim => {}
        }
        let Value::Text(text) = value else { return Err(Unusual) };
        if text.len() > TEXT_BYTES {
            return Err(Unusual);
        }
        match self {
            Self::IsEmpty => return Ok(Value::Bool(text.is_empty())),
            // Every byte but those that go on with a character.
            Self::Length => {
                let characters = text.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
                return i64::try_from(characters).map(Value::Int).map_err(|_| Unusual);
            }
            _ => {}
        }
        if text.is_ascii() {
            return Ok(Value::Text(self.of_ascii(text)));
        }
        let text = std::str::from_utf8(&text).map_err(|_| Unusual)?;
        Ok(Value::Text(Cow::Owned(self.of_text(text).into_bytes())))
    }

    fn of_ascii(self, text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
        match self {
            Self::Lower if text.iter().any(u8::is_ascii_uppercase) => Cow::Owned(text.to_ascii_lowercase()),
            Self::Upper if text.iter().any(u8::is_ascii_lowercase) => Cow::Owned(text.to_ascii_uppercase()),
            Self::Trim => {
                // White space of Unicode counts the vertical tab, that of ASCII does not.
                let trimmed = std::str::from_utf8(&text).map(|text| text.trim().as_bytes().to_vec());
                trimmed.map_or(text, Cow::Owned)
            }
            _ => text,
        }
    }

    fn of_text(self, text: &str) -> String {
        match self {
            Self::Lower if !text.chars().all(char::is_lowercase) => text.to_lowercase(),
            Self::Upper if !text.chars().all(char::is_uppercase) => text.to_uppercase(),
            Self::Trim => text.trim().to_owned(),
            _ => text.to_owned(),
        }
    }
}

/// Two values added.
pub(super) fn add<'v>(left: &Value<'_>, right: &Value<'_>) -> Native<Value<'v>> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.checked_add(*right).map(Value::Int).ok_or(Unusual),
        (Value::Text(left), Value::Text(right)) if left.len() + right.len() <= TEXT_BYTES => {
            Ok(Value::Text(Cow::Owned([&**left, &**right].concat())))
        }
        _ => Err(Unusual),
    }
}

//! One value of a row, and how the value of an expression becomes one.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use crate::column::ColumnType;
use crate::moment::{parse_moment, write_moment};

/// One value of a row. A column of a type gets the cells that are named there.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'e> {
    /// Nothing; for every type.
    Null,
    /// For `boolean`, and columns without a type.
    Boolean(bool),
    /// For `integer`, `number`, and columns without a type.
    Integer(i64),
    /// For `real`, and columns without a type.
    Real(f64),
    /// A number as JSON writes it (it may have an exponent), for `number`. Where [`Dialect::exact_numbers`] is not set,
    /// a floating-point number gives its digits back.
    ///
    /// [`Dialect::exact_numbers`]: crate::Dialect::exact_numbers
    Number(Cow<'e, str>),
    /// For `text`, and columns without a type.
    Text(Cow<'e, str>),
    /// For `timestamp`.
    Timestamp {
        /// Microseconds since the Unix epoch.
        microseconds: i64,
        /// The same as RFC 3339 text, where it was written for many rows at once; else see
        /// [`write_moment`].
        text: Option<&'e str>,
    },
    /// JSON text, for `json`, and columns without a type.
    Json(Cow<'e, str>),
    /// JSON text that shares the bytes of the event; UTF-8 that was checked.
    SharedJson(Bytes),
    /// For `blob`.
    Blob(Vec<u8>),
}

impl Cell<'_> {
    /// The cell as text, for a column that takes text whatever it is given; `None` is NULL.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(value) => value.to_string().into(),
            Self::Integer(number) => number.to_string().into(),
            Self::Real(number) => Value::from(*number).to_string().into(),
            Self::Number(text) | Self::Text(text) | Self::Json(text) => Cow::Borrowed(text),
            Self::Timestamp { text: Some(text), .. } => Cow::Borrowed(*text),
            Self::Timestamp { microseconds, text: None } => write_moment(*microseconds).into(),
            Self::SharedJson(bytes) => String::from_utf8_lossy(bytes),
            Self::Blob(bytes) => String::from_utf8_lossy(bytes),
        })
    }
}

/// The value of an expression as the cell of a column; `Err` says in one clause why it cannot be one.
///
/// # Errors
/// `expected real, found text`.
pub fn cell(value: Value, holds: Option<ColumnType>) -> Result<Cell<'static>, String> {
    use ColumnType as T;
    let text = |text: String| Ok(Cell::Text(text.into()));
    match (holds, value) {
        (_, Value::Null) => Ok(Cell::Null),
        (Some(T::Blob), Value::String(value)) => Ok(Cell::Blob(value.into_bytes())),
        (None | Some(T::Text), Value::String(value)) => text(value),
        (None | Some(T::Boolean), Value::Bool(value)) => Ok(Cell::Boolean(value)),
        (Some(T::Integer), Value::Bool(value)) => Ok(Cell::Integer(value.into())),
        (Some(T::Integer), Value::Number(number)) => number
            .as_i64()
            .map(Cell::Integer)
            .ok_or_else(|| format!("expected a whole number of 64 bits, found {number}")),
        (Some(T::Real), Value::Number(number)) => Ok(Cell::Real(number.as_f64().unwrap_or(f64::NAN))),
        (Some(T::Number), Value::Number(number)) => {
            Ok(number.as_i64().map_or_else(|| Cell::Number(number.to_string().into()), Cell::Integer))
        }
        (None, Value::Number(number)) => {
            Ok(number.as_i64().map_or(Cell::Real(number.as_f64().unwrap_or(f64::NAN)), Cell::Integer))
        }
        (Some(T::Timestamp), Value::String(value)) => parse_moment(&value)
            .map(|microseconds| Cell::Timestamp { microseconds, text: None })
            .ok_or_else(|| format!("expected an RFC 3339 time, found {}", Value::from(value))),
        (Some(T::Json), value) | (None, value @ (Value::Array(_) | Value::Object(_))) => {
            Ok(Cell::Json(value.to_string().into()))
        }
        (Some(T::Text), value @ (Value::Number(_) | Value::Bool(_))) => text(value.to_string()),
        (Some(expected), value) => Err(format!("expected {}, found {}", expected.as_str(), kind(&value))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_cells_or_say_why_not() {
        use ColumnType as T;
        for (value, column_type, expected) in [
            (json!(null), Some(T::Integer), Ok(Cell::Null)),
            (json!("a"), None, Ok(Cell::Text("a".into()))),
            (json!(true), None, Ok(Cell::Boolean(true))),
            (json!(true), Some(T::Integer), Ok(Cell::Integer(1))),
            (json!(1.5), None, Ok(Cell::Real(1.5))),
            (json!(-3), None, Ok(Cell::Integer(-3))),
            (json!([1]), None, Ok(Cell::Json("[1]".into()))),
            (json!(12), Some(T::Text), Ok(Cell::Text("12".into()))),
            (json!("a"), Some(T::Blob), Ok(Cell::Blob(b"a".to_vec()))),
            (json!("a"), Some(T::Json), Ok(Cell::Json("\"a\"".into()))),
            (json!(2), Some(T::Real), Ok(Cell::Real(2.0))),
            (json!(u64::MAX), Some(T::Number), Ok(Cell::Number("18446744073709551615".into()))),
            (json!(3), Some(T::Number), Ok(Cell::Integer(3))),
            (
                json!("1970-01-01T01:00:00.5+01:00"),
                Some(T::Timestamp),
                Ok(Cell::Timestamp { microseconds: 500_000, text: None }),
            ),
            (json!("noon"), Some(T::Timestamp), Err("expected an RFC 3339 time, found \"noon\"")),
            (json!(1), Some(T::Boolean), Err("expected boolean, found a number")),
            (json!("2"), Some(T::Real), Err("expected real, found text")),
            (json!({}), Some(T::Text), Err("expected text, found a map")),
            (json!(1.5), Some(T::Integer), Err("expected a whole number of 64 bits, found 1.5")),
        ] {
            assert_eq!(cell(value, column_type), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn every_cell_but_null_has_a_text() {
        assert_eq!(Cell::Null.to_text(), None);
        assert_eq!(Cell::Real(1.0).to_text().as_deref(), Some("1.0"));
        let time = Cell::Timestamp { microseconds: 1, text: None };
        assert_eq!(time.to_text().as_deref(), Some("1970-01-01T00:00:00.000001Z"));
    }
}

//! Which values fit which columns: a value is only ever written where it can be read back as it was.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::cell::Cell;
use crate::column::ColumnType;
use crate::dialect::Dialect;
use crate::moment::parse_moment;
use crate::number::{exact_real, is_moderate};

/// A value of an event that is not `null`.
pub(crate) struct Found<'e> {
    /// The value as it is written in the event.
    raw: &'e str,
    value: Scalar<'e>,
}

enum Scalar<'e> {
    Boolean(bool),
    Integer(i64),
    /// A number that a column for numbers of this database gives back.
    Number,
    /// A number with more digits than that.
    Digits,
    Text(Cow<'e, str>),
    /// A list or a map (or a text that is no Unicode).
    Nested,
}

impl<'e> Found<'e> {
    /// Looks at a value; `None` is `null`.
    ///
    /// # Errors
    /// The database can hold it in no way: why, as one clause.
    pub(crate) fn read(value: &'e RawValue, dialect: &Dialect) -> Result<Option<Self>, String> {
        let raw = value.get();
        if !dialect.holds_nul && has_nul(raw) {
            return Err(format!("{} holds no U+0000", dialect.database));
        }
        let value = match raw.as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b't') => Scalar::Boolean(true),
            Some(b'f') => Scalar::Boolean(false),
            Some(b'"') => text(raw).map_or(Scalar::Nested, Scalar::Text),
            Some(b'{' | b'[') => Scalar::Nested,
            _ => number(raw, dialect),
        };
        Ok(Some(Self { raw, value }))
    }

    /// The type of a new column for it.
    pub(crate) fn holds(&self) -> ColumnType {
        match self.value {
            Scalar::Boolean(_) => ColumnType::Boolean,
            Scalar::Integer(_) => ColumnType::Integer,
            Scalar::Number => ColumnType::Number,
            Scalar::Digits | Scalar::Text(_) => ColumnType::Text,
            Scalar::Nested => ColumnType::Json,
        }
    }

    /// How messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Scalar::Boolean(_) => "boolean",
            Scalar::Integer(_) => "integer",
            Scalar::Number => "number",
            Scalar::Digits => "a number with more digits than the database keeps",
            Scalar::Text(_) => "text",
            Scalar::Nested => "json",
        }
    }

    /// The type of a column beside the one that does not take it.
    pub(crate) fn variant(&self) -> ColumnType {
        match self.holds() {
            ColumnType::Integer => ColumnType::Number,
            other => other,
        }
    }

    /// Whether an integer column would take it if it were one for numbers.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.value, Scalar::Integer(_) | Scalar::Number)
    }

    /// The cell in a column of a type; `None` if it would not be read back as it was.
    pub(crate) fn cell(&self, holds: Option<ColumnType>) -> Option<Cell<'e>> {
        use ColumnType as T;
        let raw = || Cow::Borrowed(self.raw);
        Some(match (holds, &self.value) {
            (Some(T::Boolean) | None, Scalar::Boolean(value)) => Cell::Boolean(*value),
            (Some(T::Integer | T::Number) | None, Scalar::Integer(number)) => Cell::Integer(*number),
            (Some(T::Number), Scalar::Number) => Cell::Number(raw()),
            (Some(T::Real) | None, Scalar::Number | Scalar::Integer(_)) => match exact_real(self.raw) {
                Some(number) => Cell::Real(number),
                None if holds.is_none() => Cell::Text(raw()),
                None => return None,
            },
            (Some(T::Text) | None, Scalar::Digits) => Cell::Text(raw()),
            (Some(T::Text) | None, Scalar::Text(text)) => Cell::Text(text.clone()),
            (Some(T::Blob), Scalar::Text(text)) => Cell::Blob(text.as_bytes().to_vec()),
            (Some(T::Timestamp), Scalar::Text(text)) => {
                Cell::Timestamp { microseconds: parse_moment(text)?, text: None }
            }
            (Some(T::Json), _) | (None, Scalar::Nested) => Cell::Json(raw()),
            _ => return None,
        })
    }
}

/// A JSON text without its quotes and escapes; `None` if it is no Unicode (half a surrogate pair).
fn text(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    raw.get(1..raw.len().checked_sub(1)?).map(Cow::Borrowed)
}

fn number<'e>(raw: &str, dialect: &Dialect) -> Scalar<'e> {
    if let Ok(number) = raw.parse() {
        return Scalar::Integer(number);
    }
    let fits = if dialect.exact_numbers { is_moderate(raw) } else { exact_real(raw).is_some() };
    if fits { Scalar::Number } else { Scalar::Digits }
}

/// Whether a text in JSON holds U+0000: an escape whose backslash is not escaped itself.
fn has_nul(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let before = json[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        before % 2 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(json: &str, holds: Option<ColumnType>, dialect: &Dialect) -> Option<Cell<'static>> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        let raw: &'static RawValue = Box::leak(raw);
        Found::read(raw, dialect).unwrap().unwrap().cell(holds)
    }

    #[test]
    fn a_value_fits_where_it_can_be_read_back() {
        use ColumnType as T;
        let number = |text| Some(Cell::Number(Cow::Borrowed(text)));
        let text = |text| Some(Cell::Text(Cow::Borrowed(text)));
        for (json, holds, in_sqlite, in_postgres) in [
            ("1", Some(T::Number), Some(Cell::Integer(1)), Some(Cell::Integer(1))),
            ("1.10", Some(T::Number), number("1.10"), number("1.10")),
            ("1.10", Some(T::Integer), None, None),
            ("18446744073709551616", Some(T::Number), None, number("18446744073709551616")),
            ("18446744073709551616", Some(T::Text), text("18446744073709551616"), None),
            ("18446744073709551616", None, text("18446744073709551616"), text("18446744073709551616")),
            ("9007199254740993", Some(T::Real), None, None),
            (
                "9007199254740993",
                Some(T::Integer),
                Some(Cell::Integer(9_007_199_254_740_993)),
                Some(Cell::Integer(9_007_199_254_740_993)),
            ),
            ("1", Some(T::Text), None, None),
            ("\"1\"", Some(T::Integer), None, None),
            ("true", Some(T::Integer), None, None),
            ("\"2026-06-12\"", Some(T::Timestamp), None, None),
            ("[ 1]", Some(T::Json), Some(Cell::Json("[ 1]".into())), Some(Cell::Json("[ 1]".into()))),
            ("\"\\ud800\"", Some(T::Text), None, None),
        ] {
            assert_eq!(cell(json, holds, &Dialect::SQLITE), in_sqlite, "{json} in {holds:?}");
            assert_eq!(cell(json, holds, &Dialect::POSTGRES), in_postgres, "{json} in {holds:?}");
        }
    }

    #[test]
    fn a_nul_is_refused_where_text_cannot_hold_it() {
        let read = |json: &str, dialect: &Dialect| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            Found::read(&raw, dialect).map(|found| found.is_some())
        };
        assert_eq!(read(r#"["a\u0000"]"#, &Dialect::SQLITE), Ok(true));
        assert_eq!(read(r#"["a\u0000"]"#, &Dialect::POSTGRES), Err("PostgreSQL holds no U+0000".to_owned()));
        assert_eq!(read(r#""a\\u0000""#, &Dialect::POSTGRES), Ok(true));
        assert_eq!(read("null", &Dialect::POSTGRES), Ok(false));
    }
}

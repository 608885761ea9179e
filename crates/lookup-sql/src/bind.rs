//! Values of events as parameters of a query.
//!
//! Invariant: PostgreSQL is sent text and reads it as the type that the query asks for, so no value is ever a part of
//! the query's own text, and none is rounded on the way.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

/// A value for PostgreSQL.
#[derive(Debug)]
pub(crate) struct Bound<'v>(pub(crate) &'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let text = match (self.0, wanted.kind()) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Array(elements), Kind::Array(_)) => array(elements),
            (value, _) => plain(value),
        };
        if text.contains('\0') {
            return Err("PostgreSQL has no text with a zero byte".into());
        }
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// A value as PostgreSQL reads it: text as it stands, everything else as its JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A literal of an array: <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>.
fn array(elements: &[Value]) -> String {
    let element = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Array(inner) => array(inner),
        value => format!("\"{}\"", plain(value).replace('\\', "\\\\").replace('"', "\\\"")),
    };
    format!("{{{}}}", elements.iter().map(element).collect::<Vec<_>>().join(","))
}

/// A value for SQLite: numbers, text and NULL as they are, true and false as 1 and 0, lists and objects as JSON text.
pub(crate) fn for_sqlite(value: &Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Cell;
    match value {
        Value::Null => Cell::Null,
        Value::Bool(is) => Cell::Integer((*is).into()),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Cell::Integer(integer),
            (None, Some(real)) => Cell::Real(real),
            (None, None) => Cell::Null,
        },
        Value::Array(_) | Value::Object(_) => Cell::Text(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arrays_are_quoted_as_the_server_reads_them() {
        let literal = array(json!(["a\"b\\c, {}", null, 7, [true]]).as_array().unwrap());
        assert_eq!(literal, r#"{"a\"b\\c, {}",NULL,"7",{"true"}}"#);
    }
}

//! Types: which of PostgreSQL's holds what, and how a value of it travels in a binary COPY.
//!
//! Invariant: a value is never cut or changed on its way. Where the column has another type than the value travels in,
//! the server converts it, and a value that it cannot convert is an error of that row.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_tables::{Cell, ColumnType};

/// The type of JSON columns in a table that is made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonType {
    /// The text as it arrived, byte for byte.
    #[default]
    Json,
    /// Decomposed: faster to query and can be indexed, but key order, repeated keys, spaces and `\u0000` are lost (an
    /// event with `\u0000` is a dead letter).
    Jsonb,
}

/// The type of a column that is made here.
pub(crate) fn declared(holds: Option<ColumnType>, json: JsonType) -> &'static str {
    match holds {
        None | Some(ColumnType::Text) => "text",
        Some(ColumnType::Integer) => "bigint",
        Some(ColumnType::Number) => "numeric",
        Some(ColumnType::Real) => "double precision",
        Some(ColumnType::Boolean) => "boolean",
        Some(ColumnType::Timestamp) => "timestamp with time zone",
        Some(ColumnType::Json) if json == JsonType::Jsonb => "jsonb",
        Some(ColumnType::Json) => "json",
        Some(ColumnType::Blob) => "bytea",
    }
}

/// What a column of an internal type name (`int8`) holds; types that are not ours are written as text.
pub(crate) fn holds(internal: &str) -> ColumnType {
    match internal {
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "numeric" => ColumnType::Number,
        "float4" | "float8" => ColumnType::Real,
        "bool" => ColumnType::Boolean,
        "timestamptz" | "timestamp" => ColumnType::Timestamp,
        "json" | "jsonb" => ColumnType::Json,
        "bytea" => ColumnType::Blob,
        _ => ColumnType::Text,
    }
}

/// The type that a value travels in, and that the staging table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Text,
    Integer,
    Real,
    Boolean,
    Timestamp,
    Json,
    Jsonb,
    Bytes,
}

impl Wire {
    /// For cells of `holds` on their way to a column of an internal type name.
    pub(crate) fn between(holds: Option<ColumnType>, internal: &str) -> Self {
        match holds {
            None | Some(ColumnType::Text | ColumnType::Number) => Self::Text,
            Some(ColumnType::Integer) => Self::Integer,
            Some(ColumnType::Real) => Self::Real,
            Some(ColumnType::Boolean) => Self::Boolean,
            Some(ColumnType::Timestamp) => Self::Timestamp,
            Some(ColumnType::Blob) => Self::Bytes,
            Some(ColumnType::Json) => match internal {
                "json" => Self::Json,
                "jsonb" => Self::Jsonb,
                _ => Self::Text,
            },
        }
    }

    /// The internal name of the type.
    pub(crate) fn internal(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "int8",
            Self::Real => "float8",
            Self::Boolean => "bool",
            Self::Timestamp => "timestamptz",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Bytes => "bytea",
        }
    }

    /// Appends length and value as binary COPY has them:
    /// <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>.
    ///
    /// # Errors
    /// One clause that says why the cell cannot be written.
    pub(crate) fn encode(self, cell: &Cell<'_>, buffer: &mut BytesMut) -> Result<(), String> {
        match (self, cell) {
            (_, Cell::Null) => buffer.put_i32(-1),
            (Self::Integer, Cell::Integer(number)) => fixed(buffer, number.to_be_bytes()),
            (Self::Integer, Cell::Boolean(value)) => fixed(buffer, i64::from(*value).to_be_bytes()),
            (Self::Real, Cell::Real(number)) => fixed(buffer, number.to_be_bytes()),
            (Self::Boolean, Cell::Boolean(value)) => fixed(buffer, [u8::from(*value)]),
            (Self::Timestamp, Cell::Timestamp { microseconds, .. }) => {
                fixed(buffer, microseconds.saturating_sub(EPOCH_MICROSECONDS).to_be_bytes());
            }
            (Self::Bytes, Cell::Blob(bytes)) => sized(buffer, &[], bytes)?,
            (Self::Json | Self::Text, Cell::SharedJson(bytes)) => sized(buffer, &[], bytes)?,
            (Self::Jsonb, Cell::SharedJson(bytes)) => sized(buffer, JSONB_VERSION, bytes)?,
            (Self::Json, Cell::Json(text)) => sized(buffer, &[], text.as_bytes())?,
            (Self::Jsonb, Cell::Json(text)) => sized(buffer, JSONB_VERSION, text.as_bytes())?,
            (Self::Text, cell) => {
                let text = cell.to_text().unwrap_or(Cow::Borrowed(""));
                if text.as_bytes().contains(&0) {
                    return Err("text in PostgreSQL cannot hold U+0000".to_owned());
                }
                sized(buffer, &[], text.as_bytes())?;
            }
            (wire, _) => return Err(format!("the value does not fit a column of type {}", wire.internal())),
        }
        Ok(())
    }
}

/// PostgreSQL counts microseconds from the year 2000.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// The byte before the text of a `jsonb`.
const JSONB_VERSION: &[u8] = &[1];

fn fixed<const N: usize>(buffer: &mut BytesMut, bytes: [u8; N]) {
    buffer.put_i32(i32::try_from(N).unwrap_or(i32::MAX));
    buffer.put_slice(&bytes);
}

fn sized(buffer: &mut BytesMut, prefix: &[u8], bytes: &[u8]) -> Result<(), String> {
    let length = i32::try_from(prefix.len() + bytes.len()).map_err(|_| "the value is larger than 1 GiB")?;
    buffer.put_i32(length);
    buffer.put_slice(prefix);
    buffer.put_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(wire: Wire, cell: &Cell<'_>) -> Result<Vec<u8>, String> {
        let mut buffer = BytesMut::new();
        wire.encode(cell, &mut buffer).map(|()| buffer.to_vec())
    }

    #[test]
    fn values_travel_as_the_server_stores_them() {
        let moment = Cell::Timestamp { microseconds: EPOCH_MICROSECONDS + 1, text: None };
        for (wire, cell, expected) in [
            (Wire::Text, Cell::Null, &[255, 255, 255, 255][..]),
            (Wire::Integer, Cell::Integer(-2), &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]),
            (Wire::Boolean, Cell::Boolean(true), &[0, 0, 0, 1, 1]),
            (Wire::Timestamp, moment, &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]),
            (Wire::Jsonb, Cell::Json("{}".into()), &[0, 0, 0, 3, 1, b'{', b'}']),
            (Wire::Text, Cell::Integer(12), &[0, 0, 0, 2, b'1', b'2']),
            (Wire::Text, Cell::Text("é".into()), &[0, 0, 0, 2, 0xc3, 0xa9]),
        ] {
            assert_eq!(encoded(wire, &cell).as_deref(), Ok(expected), "{wire:?} {cell:?}");
        }
    }

    #[test]
    fn what_no_column_can_hold_is_said() {
        let error = encoded(Wire::Text, &Cell::Text("a\0b".into())).unwrap_err();
        assert_eq!(error, "text in PostgreSQL cannot hold U+0000");
        let error = encoded(Wire::Integer, &Cell::Text("1".into())).unwrap_err();
        assert_eq!(error, "the value does not fit a column of type int8");
    }

    #[test]
    fn json_keeps_the_type_of_its_column() {
        let wire = |internal| Wire::between(Some(ColumnType::Json), internal).internal();
        assert_eq!((wire("json"), wire("jsonb"), wire("varchar")), ("json", "jsonb", "text"));
        assert_eq!(Wire::between(Some(ColumnType::Number), "numeric"), Wire::Text);
        assert_eq!(holds("uuid"), ColumnType::Text);
    }
}

//! `columns:`: a value of the event for each column, and the SQLite type it must have.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use sluicebox_core::Located;

use crate::layout::Cell;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text. Numbers and booleans are written as JSON writes them.
    Text,
    /// A whole number of 64 bits. Booleans are 1 and 0.
    Integer,
    /// A number in floating point.
    Real,
    /// The bytes of a text.
    Blob,
    /// Any value, as JSON text.
    Json,
}

impl ColumnType {
    /// The word of the pipeline file.
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Blob => "blob",
            Self::Json => "json",
        }
    }

    /// The type in the declaration of the table.
    pub(crate) fn declared(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "TEXT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Blob => "BLOB",
        }
    }
}

/// One entry of `columns:`: an expression, or `{value, type}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The expression over `event` and `meta`.
    pub value: Located,
    /// What the column holds; unset: whatever the expression gives (text, integer, real; booleans as 1 and 0; lists and
    /// maps as JSON text).
    pub holds: Option<ColumnType>,
    /// Whether the entry was a map, for the path of a problem.
    pub(crate) is_map: bool,
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = ColumnSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an expression, or a map with `value` and `type`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ColumnSpec, E> {
        Ok(ColumnSpec { value: Located::unplaced(text), holds: None, is_map: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ColumnSpec, A::Error> {
        let (mut value, mut holds) = (None, None);
        let mut placed = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "value" => value = Some(map.next_value()?),
                "type" => holds = Some(map.next_value()?),
                key if Located::KEYS.contains(&key) => drop(placed.insert(key.to_owned(), map.next_value()?)),
                other => return Err(de::Error::unknown_field(other, &["value", "type"])),
            }
        }
        let is_map = placed.is_empty();
        if !is_map {
            value = Some(serde_json::from_value(Value::Object(placed)).map_err(de::Error::custom)?);
        }
        let value = value.ok_or_else(|| de::Error::missing_field("value"))?;
        Ok(ColumnSpec { value, holds, is_map })
    }
}

impl JsonSchema for ColumnSpec {
    fn schema_name() -> Cow<'static, str> {
        "column".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Located>();
        let column_type = generator.subschema_for::<ColumnType>();
        json_schema!({
            "anyOf": [
                value,
                {
                    "type": "object",
                    "properties": { "value": value, "type": column_type },
                    "required": ["value"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// A JSON value as the cell of a column; `Err` says in one clause why it cannot be one.
pub(crate) fn cell(value: Value, column_type: Option<ColumnType>) -> Result<Cell<'static>, String> {
    use ColumnType as T;
    let text = |text: String| Ok(Cell::Text(text.into()));
    match (column_type, value) {
        (_, Value::Null) => Ok(Cell::Null),
        (Some(T::Blob), Value::String(value)) => Ok(Cell::Blob(value.into_bytes())),
        (None | Some(T::Text), Value::String(value)) => text(value),
        (None | Some(T::Integer), Value::Bool(value)) => Ok(Cell::Integer(value.into())),
        (Some(T::Integer), Value::Number(number)) => number
            .as_i64()
            .map(Cell::Integer)
            .ok_or_else(|| format!("expected a whole number of 64 bits, found {number}")),
        (Some(T::Real), Value::Number(number)) => Ok(Cell::Real(number.as_f64().unwrap_or(f64::NAN))),
        (None, Value::Number(number)) => {
            Ok(number.as_i64().map_or(Cell::Real(number.as_f64().unwrap_or(f64::NAN)), Cell::Integer))
        }
        (Some(T::Json), value)
        | (Some(T::Text), value @ (Value::Number(_) | Value::Bool(_)))
        | (None, value @ (Value::Array(_) | Value::Object(_))) => text(value.to_string()),
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
    fn a_column_is_an_expression_or_a_map() {
        let read = |value: Value| serde_json::from_value::<ColumnSpec>(value);
        assert_eq!(read(json!("event.a")).unwrap().value.text, "event.a");
        let placed = read(json!({"$text": "event.a", "$line": 7, "$column": 3})).unwrap();
        assert_eq!((placed.value.line, placed.is_map), (7, false));
        let typed = read(json!({"value": {"$text": "event.a", "$line": 7}, "type": "real"})).unwrap();
        assert_eq!((typed.value.line, typed.holds, typed.is_map), (7, Some(ColumnType::Real), true));
        for (value, expected) in [
            (json!({"type": "real"}), "missing field `value`"),
            (json!({"value": "x", "kind": "real"}), "unknown field `kind`"),
            (json!({"value": "x", "type": "number"}), "unknown variant `number`"),
            (json!(3), "expected an expression"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn values_become_cells_or_say_why_not() {
        use ColumnType as T;
        for (value, column_type, expected) in [
            (json!(null), Some(T::Integer), Ok(Cell::Null)),
            (json!("a"), None, Ok(Cell::Text("a".into()))),
            (json!(true), None, Ok(Cell::Integer(1))),
            (json!(1.5), None, Ok(Cell::Real(1.5))),
            (json!(-3), None, Ok(Cell::Integer(-3))),
            (json!([1]), None, Ok(Cell::Text("[1]".into()))),
            (json!(12), Some(T::Text), Ok(Cell::Text("12".into()))),
            (json!("a"), Some(T::Blob), Ok(Cell::Blob(b"a".to_vec()))),
            (json!("a"), Some(T::Json), Ok(Cell::Text("\"a\"".into()))),
            (json!(2), Some(T::Real), Ok(Cell::Real(2.0))),
            (json!("2"), Some(T::Real), Err("expected real, found text")),
            (json!({}), Some(T::Text), Err("expected text, found a map")),
            (json!(1.5), Some(T::Integer), Err("expected a whole number of 64 bits, found 1.5")),
        ] {
            assert_eq!(cell(value, column_type), expected.map_err(str::to_owned));
        }
    }
}

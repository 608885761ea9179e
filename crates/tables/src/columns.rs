//! `columns:`: from the fields of the events, or a value of the event for each column and the type it must have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use sluicebox_core::Located;

use crate::column::ColumnType;

/// What `columns:` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// `from_event`: a column for each top-level field of the events, beside those of the envelope.
    FromEvent,
    /// Columns by name.
    Named(BTreeMap<String, ColumnSpec>),
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnsVisitor)
    }
}

struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`from_event`, or a map of columns")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Columns, E> {
        if text == "from_event" {
            Ok(Columns::FromEvent)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Columns, A::Error> {
        Deserialize::deserialize(de::value::MapAccessDeserializer::new(map)).map(Columns::Named)
    }
}

impl JsonSchema for Columns {
    fn schema_name() -> Cow<'static, str> {
        "columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let column = generator.subschema_for::<ColumnSpec>();
        json_schema!({
            "x-rule": "expression",
            "anyOf": [
                { "const": "from_event" },
                { "type": "object", "additionalProperties": column, "minProperties": 1 }
            ]
        })
    }
}

/// One entry of `columns:`: an expression, or `{value, type}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The expression over `event` and `meta`.
    pub value: Located,
    /// What the column holds; unset: whatever the expression gives.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_come_from_the_event_or_are_named() {
        let read = |value: Value| serde_json::from_value::<Columns>(value);
        assert_eq!(read(json!("from_event")).unwrap(), Columns::FromEvent);
        let Columns::Named(named) = read(json!({"id": "meta.id"})).unwrap() else { panic!("not named") };
        assert_eq!(named["id"].value.text, "meta.id");
        let error = read(json!("from_events")).unwrap_err().to_string();
        assert!(error.contains("expected `from_event`, or a map of columns"), "{error}");
    }

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
            (json!({"value": "x", "type": "float"}), "unknown variant `float`"),
            (json!(3), "expected an expression"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

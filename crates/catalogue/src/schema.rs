//! From JSON Schema (draft 2020-12) to shapes.
//!
//! What a shape cannot say (lengths, patterns, conditions) is left out; what may bring fields that cannot be told
//! (`if`, `patternProperties`, references out of reach) makes an object open.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Shape;
use crate::shape::{Fields, Kind};

/// How deep a schema is followed: one that refers to itself would have no end.
const DEPTH: usize = 12;

/// Keywords that may bring fields which a shape cannot tell.
const BEYOND: [&str; 8] = [
    "if",
    "then",
    "else",
    "dependentSchemas",
    "patternProperties",
    "$dynamicRef",
    "unevaluatedProperties",
    "contains",
];

/// A schema that cannot be read as a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A schema is a map, `true` or `false`.
    #[error("expected a schema at `{0}`: a map, `true` or `false`")]
    NoSchema(String),
    /// `type` names something that is none.
    #[error("`{name}` at `{place}` is no type of JSON")]
    NoType {
        /// What it names.
        name: String,
        /// Where.
        place: String,
    },
    /// A reference that leads nowhere.
    #[error("the reference `{0}` leads nowhere")]
    NoTarget(String),
}

/// A file with the files that it may refer to.
#[derive(Clone)]
pub(crate) struct Document<'d> {
    pub(crate) name: String,
    pub(crate) others: &'d BTreeMap<String, Value>,
}

impl Document<'_> {
    /// The shape that the whole file describes.
    ///
    /// # Errors
    /// It is no schema.
    pub(crate) fn shape(&self) -> Result<Shape, SchemaError> {
        self.resolve("", DEPTH)
    }

    /// The shape of the schema at a JSON pointer.
    fn resolve(&self, pointer: &str, depth: usize) -> Result<Shape, SchemaError> {
        let schema = self.others.get(&self.name).and_then(|document| document.pointer(pointer));
        let schema = schema.ok_or_else(|| SchemaError::NoTarget(format!("{}#{pointer}", self.name)))?;
        self.read(schema, pointer, depth)
    }

    fn read(&self, schema: &Value, place: &str, depth: usize) -> Result<Shape, SchemaError> {
        let Value::Object(keywords) = schema else {
            return if schema.is_boolean() {
                Ok(Shape::default())
            } else {
                Err(SchemaError::NoSchema(place.to_owned()))
            };
        };
        if depth == 0 {
            return Ok(Shape::default());
        }
        let mut shape = Shape {
            kinds: kinds(schema, place)?,
            values: values(schema),
            description: keywords.get("description").and_then(Value::as_str).map(str::to_owned),
            fields: self.fields(schema, place, depth)?,
            items: match keywords.get("items").filter(|_| !keywords.contains_key("prefixItems")) {
                Some(items) => Some(Box::new(self.read(items, &format!("{place}/items"), depth - 1)?)),
                None => None,
            },
        };
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            shape = self.follow(reference, depth - 1)?.overlaid(&shape);
        }
        for part in list(schema, "allOf") {
            shape = self.read(part, &format!("{place}/allOf"), depth - 1)?.overlaid(&shape);
        }
        for keyword in ["anyOf", "oneOf"] {
            let shapes = list(schema, keyword).iter();
            let shapes = shapes.map(|part| self.read(part, &format!("{place}/{keyword}"), depth - 1));
            let union = shapes.reduce(|all, one| Ok(all?.union(&one?))).transpose()?;
            shape = union.map_or(shape.clone(), |union| union.overlaid(&shape));
        }
        Ok(shape)
    }

    /// The shape that `$ref` names: `#/pointer` or `file.json#/pointer`.
    fn follow(&self, reference: &str, depth: usize) -> Result<Shape, SchemaError> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        if file.is_empty() {
            return self.resolve(pointer, depth);
        }
        Document { name: file.to_owned(), others: self.others }.resolve(pointer, depth)
    }

    fn fields(&self, schema: &Value, place: &str, depth: usize) -> Result<Fields, SchemaError> {
        let additional = schema.get("additionalProperties").is_some_and(|other| *other != Value::Bool(false));
        if additional || BEYOND.iter().any(|keyword| schema.get(keyword).is_some()) {
            return Ok(Fields::Open);
        }
        let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(Fields::Unsaid) };
        let mut known = BTreeMap::new();
        for (name, property) in properties {
            let shape = self.read(property, &format!("{place}/properties/{name}"), depth - 1)?;
            known.insert(name.clone(), shape);
        }
        Ok(Fields::Known(known))
    }
}

impl Shape {
    /// The shape that a schema describes; its references stay inside it.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn from_schema(schema: &Value) -> Result<Self, SchemaError> {
        let name = "the schema".to_owned();
        let others = BTreeMap::from([(name.clone(), schema.clone())]);
        Document { name, others: &others }.shape()
    }
}

fn list<'s>(schema: &'s Value, keyword: &str) -> &'s [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn kinds(schema: &Value, place: &str) -> Result<BTreeSet<Kind>, SchemaError> {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(values(schema).iter().flatten().map(Kind::of).collect()),
    };
    let kind = |name: &str| {
        let error = || SchemaError::NoType { name: name.to_owned(), place: place.to_owned() };
        Kind::named(name).ok_or_else(error)
    };
    names.into_iter().map(kind).collect()
}

fn values(schema: &Value) -> Option<Vec<Value>> {
    let constant = schema.get("const").map(|value| vec![value.clone()]);
    constant.or_else(|| schema.get("enum").and_then(Value::as_array).cloned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Found, Step};

    fn shape(schema: &Value) -> Shape {
        Shape::from_schema(schema).unwrap()
    }

    fn kinds_of(shape: &Shape) -> Vec<Kind> {
        shape.kinds().collect()
    }

    #[test]
    fn properties_name_what_is_known_and_additional_ones_open_an_object() {
        let known = shape(&json!({ "properties": { "a": { "type": "string" } }, "type": "object" }));
        assert!(matches!(known.field(&[Step::Name("a")]), Found::Known(_)));
        assert!(matches!(known.field(&[Step::Name("b")]), Found::Unknown { at: 0, nearest: Some("a"), .. }));
        assert_eq!(known.field(&[Step::Name("a"), Step::Name("len")]), Found::Open { at: 1 });
        for open in [json!({ "additionalProperties": true }), json!({ "patternProperties": {} }), json!(true)]
        {
            assert_eq!(shape(&open).field(&[Step::Name("b")]), Found::Open { at: 0 });
        }
        let closed = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        assert!(matches!(shape(&closed).field(&[Step::Name("b")]), Found::Unknown { .. }));
    }

    #[test]
    fn alternatives_are_united() {
        let either = shape(&json!({ "anyOf": [
            { "type": "object", "properties": { "a": { "const": 1 }, "b": { "enum": ["x"] } } },
            { "type": "object", "properties": { "a": { "const": "one" } } },
            { "type": "string" },
        ]}));
        assert_eq!(kinds_of(&either), [Kind::Text, Kind::Object]);
        let Found::Known(field) = either.field(&[Step::Name("a")]) else { panic!("it is known") };
        assert_eq!(field.values(), Some(&[json!(1), json!("one")][..]));
        assert_eq!(kinds_of(field), [Kind::Integer, Kind::Text]);
        // A text has properties of its own.
        assert_eq!(either.field(&[Step::Name("len")]), Found::Open { at: 0 });
        let anything = either.union(&Shape::default());
        assert_eq!(anything.field(&[Step::Name("nope")]), Found::Open { at: 0 });
    }

    #[test]
    fn what_holds_at_once_is_laid_over() {
        let both = shape(&json!({
            "$ref": "#/$defs/base",
            "$defs": { "base": { "type": "object", "properties": { "a": { "type": ["string", "null"] } } } },
            "allOf": [{ "properties": { "b": { "type": "array", "items": { "type": "integer" } } } }],
            "properties": { "a": { "const": "x" } }
        }));
        let Found::Known(field) = both.field(&[Step::Name("a")]) else { panic!("it is known") };
        assert_eq!((kinds_of(field), field.values().map(<[Value]>::len)), (vec![Kind::Text], Some(1)));
        let Found::Known(item) = both.field(&[Step::Name("b"), Step::Item]) else { panic!("it is known") };
        assert!(item.allows(Kind::Number) && !item.allows(Kind::Text));
        assert_eq!(both.field(&[Step::Name("a"), Step::Item]), Found::Open { at: 1 });
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        let refused = |schema: &Value| Shape::from_schema(schema).unwrap_err().to_string();
        assert_eq!(
            refused(&json!({ "properties": { "a": 1 } })),
            "expected a schema at `/properties/a`: a map, `true` or `false`"
        );
        assert_eq!(refused(&json!({ "type": "text" })), "`text` at `` is no type of JSON");
        assert_eq!(
            refused(&json!({ "$ref": "#/$defs/x" })),
            "the reference `the schema#/$defs/x` leads nowhere"
        );
        let endless = shape(&json!({ "type": "object", "properties": { "child": { "$ref": "#" } } }));
        assert!(matches!(endless.field(&[Step::Name("child"); 40]), Found::Open { .. }));
    }
}

//! What a pipeline declares of the events of a source: JSON Schemas, one for all events or one per event type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::Document;
use crate::shape::Fields;
use crate::{Catalogue, Kind, SchemaError, Shape};

/// Fields that say what type an event has, the likeliest first.
pub(crate) const TYPE_FIELDS: [&str; 5] = ["eventType", "event_type", "type", "event", "kind"];

/// The event types that schemas declare.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    types: Vec<DeclaredType>,
}

/// A declared event type.
#[derive(Clone, Debug)]
pub struct DeclaredType {
    /// The field that holds the type, and the type; `None`: the schema pins none.
    pub name: Option<(String, String)>,
    /// What such an event is like.
    pub shape: Shape,
}

impl Declared {
    /// Reads schemas. One whose top is `anyOf` or `oneOf` declares an event type with each alternative; a type is named
    /// by a field that has one text as its only value, like `"type": { "const": "order.paid" }`.
    ///
    /// # Errors
    /// The first schema that is none, by index.
    pub fn read(schemas: &[Value]) -> Result<Self, (usize, SchemaError)> {
        let mut types = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            for alternative in alternatives(schema) {
                let others = BTreeMap::from([(String::new(), alternative)]);
                let document = Document { name: String::new(), others: &others };
                let mut shape = document.shape().map_err(|error| (index, error))?;
                // An event is a map, whether or not its schema says so.
                shape.kinds = BTreeSet::from([Kind::Object]);
                types.push(DeclaredType { name: name(&shape), shape });
            }
        }
        Ok(Self { types })
    }

    /// With everything that the catalogue knows of an API: of a type that both know, either may be right.
    #[must_use]
    pub fn with_catalogue(self, catalogue: &Catalogue) -> Self {
        let field = catalogue.type_field();
        let mut types: Vec<DeclaredType> = Vec::new();
        for (name, shape) in catalogue.event_types() {
            let is_same = |own: &&DeclaredType| match &own.name {
                None => true,
                Some((own_field, own_name)) => own_field == field && own_name == name,
            };
            let declared = self.types.iter().filter(is_same);
            let shape = declared.fold(shape.clone(), |all, own| all.union(&own.shape));
            types.push(DeclaredType { name: Some((field.to_owned(), name.to_owned())), shape });
        }
        let is_new = |own: &DeclaredType| match &own.name {
            None => false,
            Some((own_field, own_name)) => own_field != field || catalogue.event_type(own_name).is_none(),
        };
        types.extend(self.types.into_iter().filter(is_new));
        Self { types }
    }

    /// The event types.
    pub fn types(&self) -> &[DeclaredType] {
        &self.types
    }
}

/// The schema once for each alternative at its top.
fn alternatives(schema: &Value) -> Vec<Value> {
    for keyword in ["anyOf", "oneOf"] {
        let Some(parts) = schema.get(keyword).and_then(Value::as_array).filter(|parts| !parts.is_empty())
        else {
            continue;
        };
        let with = |part: &Value| {
            let mut one: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
            one.insert(keyword.to_owned(), Value::Array(vec![part.clone()]));
            Value::Object(one)
        };
        return parts.iter().map(with).collect();
    }
    vec![schema.clone()]
}

/// The field that pins the type, and the type.
fn name(shape: &Shape) -> Option<(String, String)> {
    let Fields::Known(fields) = &shape.fields else { return None };
    TYPE_FIELDS.iter().find_map(|field| match fields.get(*field)?.values() {
        Some([Value::String(name)]) => Some(((*field).to_owned(), name.clone())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Found, Step};

    fn names(declared: &Declared) -> Vec<Option<&str>> {
        let name =
            |it: &'_ DeclaredType| it.name.as_ref().map(|(_, name)| name.as_str().to_owned().leak() as &str);
        declared.types().iter().map(name).collect()
    }

    #[test]
    fn a_schema_is_one_type_or_one_for_each_alternative() {
        let one = json!({ "type": "object", "properties": { "id": {} } });
        let many = json!({
            "anyOf": [{ "$ref": "#/$defs/a~1b" }, { "properties": { "type": { "enum": ["c"] } } }],
            "properties": { "shop": { "type": "string" } },
            "$defs": { "a/b": { "properties": { "type": { "const": "a/b" }, "id": {} } } }
        });
        let declared = Declared::read(&[one, many]).unwrap();
        assert_eq!(names(&declared), [None, Some("a/b"), Some("c")]);
        let shape = &declared.types()[1].shape;
        assert!(matches!(shape.field(&[Step::Name("shop")]), Found::Known(_)));
        assert!(matches!(shape.field(&[Step::Name("idd")]), Found::Unknown { nearest: Some("id"), .. }));
        let (index, error) = Declared::read(&[json!({}), json!(7)]).unwrap_err();
        assert_eq!(
            (index, error.to_string()),
            (1, "expected a schema at ``: a map, `true` or `false`".to_owned())
        );
    }

    #[test]
    fn what_the_catalogue_knows_stays_known() {
        let more = json!({ "properties": {
            "type": { "const": "payment.pending" },
            "data": { "type": "object", "properties": { "amountUsd": { "type": "number" } } }
        }});
        let new = json!({ "properties": { "type": { "const": "call.ended" }, "seconds": {} } });
        let opentrain = Catalogue::of_api("opentrain").unwrap();
        let declared = Declared::read(&[more, new]).unwrap().with_catalogue(opentrain);
        assert_eq!(declared.types().len(), opentrain.event_types().count() + 1);
        let of = |name: &str| {
            let is = |it: &&DeclaredType| it.name.as_ref().is_some_and(|(_, own)| own == name);
            &declared.types().iter().find(is).unwrap().shape
        };
        for field in ["amountUsd", "contractId"] {
            let path = [Step::Name("data"), Step::Name(field)];
            assert!(matches!(of("payment.pending").field(&path), Found::Known(_)), "{field}");
        }
        assert!(matches!(of("call.ended").field(&[Step::Name("seconds")]), Found::Known(_)));
    }
}

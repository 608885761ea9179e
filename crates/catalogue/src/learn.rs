//! Schemas learnt from sample events: what `schema learn` writes and a pipeline declares.
//!
//! Invariant: what is learnt says no more than the samples show: required is what was always there, a closed set of
//! values only where few were seen in many samples, and what was learnt before is never narrowed.

mod format;
mod merge;
mod observed;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::observed::Observed;
use crate::declared::TYPE_FIELDS;

/// More types than this are no types: the field holds something else.
const MOST_TYPES: usize = 200;

/// Sample events, by type.
#[derive(Debug, Default)]
pub struct Learner {
    /// The field that holds the type; `None`: found out for each event.
    type_field: Option<String>,
    types: BTreeMap<Option<(String, String)>, Observed>,
}

impl Learner {
    /// A learner that has seen nothing. `type_field` holds the type of an event, if that is known.
    pub fn new(type_field: Option<String>) -> Self {
        Self { type_field, types: BTreeMap::new() }
    }

    /// Looks at an event.
    pub fn see(&mut self, event: &Value) {
        let text = |field: &str| Some((field.to_owned(), event.get(field)?.as_str()?.to_owned()));
        let named = match &self.type_field {
            Some(field) => text(field),
            None => TYPE_FIELDS.iter().find_map(|field| text(field)),
        };
        self.types.entry(named).or_default().see(event);
    }

    /// The types that were seen, with how many events of each; `None`: events without a type.
    pub fn seen(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        self.types
            .iter()
            .map(|(named, observed)| (named.as_ref().map(|(_, name)| name.as_str()), observed.samples()))
    }

    /// The schema of what was seen, in a document that a pipeline can declare. `before`: what was learnt earlier, which
    /// keeps what it says of types and fields that were not seen now.
    pub fn schema(&self, before: Option<&Value>) -> Value {
        let mut types: BTreeMap<String, Value> = BTreeMap::new();
        if self.types.len() > MOST_TYPES {
            let mut all = Observed::default();
            self.types.values().for_each(|observed| all.absorb(observed));
            types.insert(String::new(), all.schema());
        } else {
            for (named, observed) in &self.types {
                let name = named.as_ref().map_or_else(String::new, |(_, name)| name.clone());
                let mut schema = observed.schema();
                if let Some((field, name)) = named {
                    schema["properties"][field] = json!({ "const": name });
                }
                // One name in two fields: one type to whoever reads the file.
                let schema = match types.remove(&name) {
                    Some(other) => merge::merged(&other, &schema),
                    None => schema,
                };
                types.insert(name, schema);
            }
        }
        for (name, earlier) in before.map(parts).unwrap_or_default() {
            let merged = match types.get(&name) {
                Some(schema) => merge::merged(&earlier, schema),
                None => earlier,
            };
            types.insert(name, merged);
        }
        document(types, before)
    }
}

/// The schemas of a document that was learnt, by event type; the one of events without a type has no name.
fn parts(document: &Value) -> BTreeMap<String, Value> {
    match document.get("$defs").and_then(Value::as_object) {
        Some(definitions) if document.get("anyOf").is_some() => {
            let name = |key: &String| if key == UNTYPED { String::new() } else { key.clone() };
            definitions.iter().map(|(key, schema)| (name(key), schema.clone())).collect()
        }
        _ => {
            let mut alone = document.clone();
            if let Some(keywords) = alone.as_object_mut() {
                keywords.remove("$schema");
            }
            let constant = |field: &&str| document["properties"][*field]["const"].as_str();
            let name = TYPE_FIELDS.iter().find_map(constant).unwrap_or_default();
            BTreeMap::from([(name.to_owned(), alone)])
        }
    }
}

/// What events without a type are called in a document.
const UNTYPED: &str = "untyped";

fn document(types: BTreeMap<String, Value>, before: Option<&Value>) -> Value {
    let mut document = Map::new();
    document.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    if types.len() == 1 {
        let only = types.into_values().next().unwrap_or_default();
        document.extend(only.as_object().cloned().unwrap_or_default());
        return Value::Object(document);
    }
    for keyword in ["title", "description"] {
        if let Some(value) = before.and_then(|before| before.get(keyword)) {
            document.insert(keyword.to_owned(), value.clone());
        }
    }
    let types = types.into_iter().map(|(name, schema)| {
        let name = if name.is_empty() { UNTYPED.to_owned() } else { name };
        (name, schema)
    });
    let definitions: Map<String, Value> = types.collect();
    let reference = |name: &String| {
        let pointer = name.replace('~', "~0").replace('/', "~1");
        json!({ "$ref": format!("#/$defs/{pointer}") })
    };
    document.insert("anyOf".to_owned(), definitions.keys().map(reference).collect());
    document.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(document)
}

#[cfg(test)]
mod tests;

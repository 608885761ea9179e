//! JSON Schema of the pipeline file, for editors: from the same declarations that parse it.

use serde_json::{Map, Value, json};
use sluicebox_core::{ComponentKind, Registry};

use crate::cases::test_schema;
use crate::options::{
    CatalogueOptions, SinkOptions, SourceOptions, TransformOptions, accounts, declared, whole,
};

/// JSON Schema (draft 2020-12) of a pipeline file with every component type of the registry.
///
/// A component's `type` selects its options; unknown keys are errors, as in `check`.
pub fn schema(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let types = registry.sources().values().map(|component| (component.name, &component.schema));
    let sources = section(ComponentKind::Source, &source_options(registry), types, &mut definitions);
    let types = registry.transforms().values().map(|of| (of.component.name, &of.component.schema));
    let transforms =
        section(ComponentKind::Transform, &declared::<TransformOptions>(), types, &mut definitions);
    let types = registry.sinks().values().map(|component| (component.name, &component.schema));
    let sinks = section(ComponentKind::Sink, &declared::<SinkOptions>(), types, &mut definitions);
    let mut catalogue = declared::<CatalogueOptions>();
    editable(&mut catalogue);
    let mut tests = test_schema();
    editable(&mut tests);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sluicebox pipeline",
        "type": "object",
        "properties": {
            "name": {
                "description": "the pipeline's name; default: the file's stem",
                "type": "string",
                "pattern": "^[a-z0-9-]+$"
            },
            "catalogue": catalogue,
            "sources": sources,
            "transforms": transforms,
            "sinks": sinks,
            "tests": { "description": "tests of this pipeline, for `sluicebox test`", "type": "array", "items": tests }
        },
        "required": ["sources", "sinks"],
        "additionalProperties": false,
        "$defs": definitions
    })
}

/// What every source has, with the places that accounts can be read from.
fn source_options(registry: &Registry) -> Value {
    let mut common = declared::<SourceOptions>();
    let places = registry.account_places().values().map(|place| (place.name, &place.schema));
    common["properties"]["accounts"] = accounts(places);
    common
}

/// JSON Schema of what every component of a kind has beside its own options: `type`, `inputs`, `when`, …
pub fn common_options(kind: ComponentKind, registry: &Registry) -> Value {
    let common = match kind {
        ComponentKind::Source => source_options(registry),
        ComponentKind::Transform => declared::<TransformOptions>(),
        ComponentKind::Sink => declared::<SinkOptions>(),
    };
    whole(kind, "", &common, &schemars::Schema::default())
}

/// A map of components by name: `type` decides which definition holds.
fn section<'s>(
    kind: ComponentKind,
    common: &Value,
    types: impl Iterator<Item = (&'static str, &'s schemars::Schema)>,
    definitions: &mut Map<String, Value>,
) -> Value {
    let (mut names, mut conditions) = (Vec::new(), Vec::new());
    for (name, own) in types {
        let key = format!("{}.{name}", kind.as_str());
        let mut definition = whole(kind, name, common, own);
        lift_definitions(&mut definition, &key, definitions);
        editable(&mut definition);
        names.push(json!(name));
        conditions.push(json!({
            "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
            "then": { "$ref": format!("#/$defs/{key}") }
        }));
        definitions.insert(key, definition);
    }
    json!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z0-9_-]+$" },
        "additionalProperties": {
            "type": "object",
            "properties": { "type": { "enum": names } },
            "required": ["type"],
            "allOf": conditions
        }
    })
}

/// Moves a component's own `$defs` (of types that hold themselves) to the top, under its name.
fn lift_definitions(definition: &mut Value, key: &str, definitions: &mut Map<String, Value>) {
    let Some(own) = definition.as_object_mut().and_then(|object| object.remove("$defs")) else { return };
    rename_references(definition, key);
    let Value::Object(own) = own else { return };
    for (name, mut inner) in own {
        rename_references(&mut inner, key);
        editable(&mut inner);
        definitions.insert(format!("{key}.{name}"), inner);
    }
}

fn rename_references(value: &mut Value, key: &str) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                match inner {
                    Value::String(reference) if name == "$ref" => {
                        if let Some(target) = reference.strip_prefix("#/$defs/") {
                            *reference = format!("#/$defs/{key}.{target}");
                        }
                    }
                    inner => rename_references(inner, key),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, key)),
        _ => {}
    }
}

/// What an editor needs beside what `check` needs: a number or a switch may also be a reference, as `${LIMIT}` (the
/// field types the result), and a text may be written as a number; our own annotations and formats go.
fn editable(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, _| !key.starts_with("x-"));
            object.values_mut().for_each(editable);
            let ours = matches!(
                object.get("format").and_then(Value::as_str),
                Some("secret" | "located" | "size" | "duration")
            );
            if ours {
                // `duration` means ISO 8601 to a validator.
                object.remove("format");
            }
            match object.get("type").and_then(Value::as_str) {
                Some("integer" | "number" | "boolean") => {
                    let typed = Value::Object(std::mem::take(object));
                    let reference = json!({ "type": "string", "pattern": "\\$\\{" });
                    for key in ["description", "default"] {
                        if let Some(value) = typed.get(key) {
                            object.insert(key.to_owned(), value.clone());
                        }
                    }
                    object.insert("anyOf".to_owned(), json!([typed, reference]));
                }
                Some("string") if !object.contains_key("enum") && !object.contains_key("const") => {
                    let pattern = object.remove("pattern");
                    if let Some(pattern) = pattern.as_ref().and_then(Value::as_str) {
                        object.insert("pattern".to_owned(), format!("{pattern}|\\$\\{{").into());
                    } else {
                        object.insert("type".to_owned(), json!(["string", "number", "boolean"]));
                    }
                }
                _ => {}
            }
        }
        Value::Array(items) => items.iter_mut().for_each(editable),
        _ => {}
    }
}

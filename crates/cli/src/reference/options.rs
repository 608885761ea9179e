//! A declaration's options as rows, read from its JSON Schema.

use serde_json::{Map, Value};

/// How deep maps inside options are opened up.
const DEEPEST: usize = 4;
/// What stands for a name that is the user's own: `state.NAME.kind`.
const NAME: &str = "NAME";

/// One option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// `batch.max_events`.
    pub(crate) path: String,
    /// What it takes, in words: `text`, `duration`, `1 to 200`, `a | b`.
    pub(crate) takes: String,
    pub(crate) required: bool,
    /// As it would be written; `None`: none that can be written down.
    pub(crate) default: Option<String>,
    /// As they would be written.
    pub(crate) examples: Vec<String>,
    pub(crate) description: String,
}

/// The options of a map, nested ones after their parent.
pub(crate) fn of(schema: &Map<String, Value>) -> Vec<Opt> {
    let mut rows = Vec::new();
    collect(schema, "", DEEPEST, &mut rows);
    rows
}

fn collect(schema: &Map<String, Value>, prefix: &str, depth: usize, rows: &mut Vec<Opt>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    for (name, value) in properties {
        let Some(option) = value.as_object() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        rows.push(Opt {
            takes: takes(option),
            required: required(name),
            default: option.get("default").filter(|it| !it.is_null() && !it.is_object()).map(written),
            examples: option
                .get("examples")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(written)
                .collect(),
            description: description(option),
            path: path.clone(),
        });
        if depth > 0 {
            for map in maps(option) {
                let first = rows.len();
                collect(map, &path, depth - 1, rows);
                if single_key(map).is_some() && !option.contains_key("properties") {
                    choice(&mut rows[first], map);
                }
            }
            if let Some(Value::Object(named)) = option.get("additionalProperties") {
                collect(named, &format!("{path}.{NAME}"), depth - 1, rows);
            }
        }
    }
}

/// A choice that is written as a map with one key: its key is no more required than the choice, and says what it says.
fn choice(row: &mut Opt, map: &Map<String, Value>) {
    row.required = false;
    if row.description.is_empty() {
        row.description = description(map);
    }
}

/// The maps that an option can be: itself, or its alternatives.
fn maps(option: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    if option.contains_key("properties") {
        return vec![option];
    }
    let nested =
        alternatives(option).flat_map(|it| if it.contains_key("properties") { vec![it] } else { maps(it) });
    nested.collect()
}

fn alternatives(option: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let lists = ["anyOf", "oneOf"].into_iter().filter_map(|key| option.get(key)?.as_array());
    lists.flatten().filter_map(Value::as_object)
}

fn description(option: &Map<String, Value>) -> String {
    let text = option.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an option takes, in words.
fn takes(option: &Map<String, Value>) -> String {
    if let Some(value) = option.get("const") {
        return written(value);
    }
    if let Some(values) = option.get("enum").and_then(Value::as_array) {
        return values.iter().filter(|it| !it.is_null()).map(written).collect::<Vec<_>>().join(" | ");
    }
    let mut kinds: Vec<String> =
        alternatives(option).map(alternative).filter(|kind| kind != "null").collect();
    if kinds.is_empty() {
        let types = match option.get("type") {
            Some(Value::String(kind)) => vec![kind.as_str()],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => vec![if option.contains_key("properties") { "object" } else { "any" }],
        };
        let kinds_of = types.iter().filter(|kind| types.len() == 1 || **kind != "null");
        kinds = kinds_of.map(|kind| of_type(kind, option)).collect();
    }
    kinds.dedup();
    kinds.join(" | ")
}

fn alternative(option: &Map<String, Value>) -> String {
    single_key(option).unwrap_or_else(|| takes(option))
}

fn of_type(kind: &str, option: &Map<String, Value>) -> String {
    match kind {
        "string" => match option.get("format").and_then(Value::as_str) {
            Some("located") => "expression or text".to_owned(),
            Some(format @ ("secret" | "duration" | "size")) => format.to_owned(),
            _ => "text".to_owned(),
        },
        "integer" | "number" => range(option),
        "boolean" => "true | false".to_owned(),
        "array" => {
            let item = option.get("items").and_then(Value::as_object).map(takes);
            format!("list of {}", item.unwrap_or_else(|| "anything".to_owned()))
        }
        "object" => "map".to_owned(),
        other => other.to_owned(),
    }
}

/// A choice written as a map with one key: `{ cursor: … }`.
fn single_key(option: &Map<String, Value>) -> Option<String> {
    let properties = option.get("properties")?.as_object()?;
    let (name, value) = properties.iter().next().filter(|_| properties.len() == 1)?;
    Some(format!("{{ {name}: {} }}", takes(value.as_object()?)))
}

fn range(option: &Map<String, Value>) -> String {
    let bound = |key: &str| option.get(key).map(written);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) if least != "0" => format!("number from {least}"),
        (None, Some(most)) => format!("number up to {most}"),
        _ => "number".to_owned(),
    }
}

/// A value as it would be written in the file.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_options_follow_their_parent_and_null_is_no_kind() {
        let schema = json!({
            "properties": {
                "batch": { "type": "object", "properties": {
                    "max": { "type": "integer", "minimum": 1, "maximum": 9, "default": 3 }
                }, "required": ["max"] },
                "start": { "oneOf": [
                    { "const": "beginning" },
                    { "type": "object", "properties": { "cursor": { "type": "string" } } }
                ] },
                "state": { "type": "object", "additionalProperties": {
                    "type": "object", "properties": { "kind": { "enum": ["a", "b"] } }, "required": ["kind"]
                } },
                "token": { "anyOf": [{ "type": "string", "format": "secret" }, { "type": "null" }] }
            }
        });
        let rows = of(schema.as_object().unwrap());
        let seen: Vec<_> =
            rows.iter().map(|row| (row.path.as_str(), row.takes.as_str(), row.required)).collect();
        assert_eq!(
            seen,
            [
                ("batch", "map", false),
                ("batch.max", "1 to 9", true),
                ("start", "beginning | { cursor: text }", false),
                ("start.cursor", "text", false),
                ("state", "map", false),
                ("state.NAME.kind", "a | b", true),
                ("token", "secret", false),
            ]
        );
        assert_eq!(rows[1].default.as_deref(), Some("3"));
    }
}

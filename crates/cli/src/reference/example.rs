//! An example of a component, from the examples of its declaration.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sluicebox_core::ComponentKind;

use super::subject::Subject;

/// What a component asks that is nothing without a condition.
pub(super) const CONDITION: &str = "meta.type == \"payment.pending\"";

/// Options of its own: the example of the whole, or those that are required and those with an example.
pub(crate) fn own(schema: &Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(whole)) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return whole.clone();
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
    let mut options = Map::new();
    for (name, option) in properties.into_iter().flatten() {
        let example = option.get("examples").and_then(|examples| examples.get(0)).cloned();
        if let Some(value) = example.or_else(|| is_required(name).then(|| placeholder(option))) {
            options.insert(name.clone(), value);
        }
    }
    options
}

/// Something of the right kind, where a required option has no example.
fn placeholder(option: &Value) -> Value {
    if let Some(choice) = option["oneOf"].get(0) {
        return placeholder(choice);
    }
    match (option["default"].clone(), option["type"].as_str()) {
        (default, _) if !default.is_null() => default,
        (_, Some("string")) if option["format"] == "secret" => json!("${SECRET}"),
        (_, Some("integer" | "number")) => option.get("minimum").cloned().unwrap_or(json!(1)),
        (_, Some("boolean")) => json!(true),
        (_, Some("array")) => json!([]),
        (_, Some("object")) => Value::Object(option.as_object().map(own).unwrap_or_default()),
        _ => json!("…"),
    }
}

/// A fragment of a pipeline file.
pub(crate) fn yaml(subject: &Subject<'_>) -> String {
    let (section, name) = match subject.kind {
        ComponentKind::Source => ("sources", "my_source"),
        ComponentKind::Transform => ("transforms", "my_transform"),
        ComponentKind::Sink => ("sinks", "my_sink"),
    };
    let mut text = format!("{section}:\n  {name}:\n    type: {}\n", subject.name);
    if subject.kind != ComponentKind::Source {
        text.push_str("    inputs: [my_source]\n");
    }
    if subject.needs_condition {
        let _ = writeln!(text, "    when: {CONDITION}");
    }
    for (key, value) in own(subject.schema) {
        option(&mut text, &key, &value, 4);
    }
    text
}

/// Writes an option, with what is in it.
pub(super) fn option(text: &mut String, key: &str, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    // Writing into a string cannot fail.
    let _ = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let _ = writeln!(text, "{pad}{key}:");
            fields.iter().for_each(|(key, value)| option(text, key, value, indent + 2));
            Ok(())
        }
        Value::String(string) if string.contains('\n') => {
            let _ = writeln!(text, "{pad}{key}: |");
            string.lines().try_for_each(|line| writeln!(text, "{pad}  {line}"))
        }
        Value::String(string) => writeln!(text, "{pad}{key}: {}", scalar(string)),
        Value::Array(items) if !items.is_empty() && items.iter().all(is_pair) => {
            let _ = writeln!(text, "{pad}{key}:");
            let pairs = items.iter().filter_map(Value::as_object).flatten();
            pairs.for_each(|(key, value)| option(text, &format!("- {key}"), value, indent + 2));
            Ok(())
        }
        other => writeln!(text, "{pad}{key}: {other}"),
    };
}

/// Whether it is one name and a text, as the entries of a list whose order counts are.
fn is_pair(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.values().all(Value::is_string))
}

/// An option's value as the reference shows it, as YAML.
pub(super) fn written(shown: &str) -> String {
    match serde_json::from_str::<Value>(shown) {
        Ok(Value::String(_)) | Err(_) => scalar(shown),
        Ok(other) => other.to_string(),
    }
}

/// A text as YAML: plain where that is safe, else in double quotes (JSON is YAML).
fn scalar(text: &str) -> String {
    let first = text.starts_with(|sign: char| sign.is_ascii_alphabetic() || "/.$".contains(sign));
    let risky = |sign: char| "{}[]#&*!|>'\"%@`,\\".contains(sign);
    let variable = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let inner = variable.unwrap_or(text);
    let word = matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    let plain = first && !word && !inner.contains(risky) && !text.contains(": ") && !text.ends_with(':');
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_of_pairs_are_written_one_a_line() {
        let mut text = String::new();
        super::option(&mut text, "routes", &serde_json::json!([{ "a": "event.x" }, { "b": "true" }]), 4);
        super::option(&mut text, "keep", &serde_json::json!(["id"]), 4);
        assert_eq!(text, "    routes:\n      - a: event.x\n      - b: \"true\"\n    keep: [\"id\"]\n");
    }

    #[test]
    fn texts_are_quoted_where_yaml_would_read_something_else() {
        for (text, written) in [
            ("archive/a.jsonl", "archive/a.jsonl"),
            ("${TOKEN}", "${TOKEN}"),
            ("{{ event.x }}", "\"{{ event.x }}\""),
            ("event.a == \"b\"", "\"event.a == \\\"b\\\"\""),
            ("1042", "\"1042\""),
            ("true", "\"true\""),
        ] {
            assert_eq!(super::scalar(text), written);
        }
    }
}

//! Puts parameters into the source of a connector.
//!
//! Invariant: a value that is one parameter and nothing else takes its type; a value that names one which is not given
//! is left out, and so is a list or map of which nothing is left. `{{ cursor }}` and its like stay for later.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluicebox_core::Secret;

/// How the names of parameters begin.
const PREFIX: &str = "parameters.";

/// A piece of a text.
enum Piece<'a> {
    Literal(&'a str),
    Parameter(&'a str),
}

/// The option whose values know how to read a secret from its file again; all others take its text.
const CREDENTIALS: &str = "auth";

/// The options of the source with `given` put in.
pub(super) fn fill_options(source: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::Object(_) => as_text(value).map_or_else(|| value.clone(), Value::String),
        other => other.clone(),
    };
    let texts: Map<String, Value> = given.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let filled = source.iter().filter_map(|(key, value)| {
        let given = if key == CREDENTIALS { given } else { &texts };
        Some((key.clone(), fill(value, given)?))
    });
    filled.collect()
}

/// The names of the parameters that a value asks for.
pub(super) fn names(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::String(text) => pieces(text)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Parameter(name) => Some(name),
                Piece::Literal(_) => None,
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(fields) => fields.values().flat_map(names).collect(),
        _ => BTreeSet::new(),
    }
}

/// What a path of the filled-in source was made of, as deep as the template goes; `given` as it was filled in.
pub(super) fn at<'s>(
    source: &'s Map<String, Value>,
    path: &str,
    given: &Map<String, Value>,
) -> Option<&'s Value> {
    let mut steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    let mut place = source.get(steps.next()?)?;
    for step in steps {
        let inner = match place {
            Value::Object(fields) => fields.get(step),
            // Items that are left out have no number.
            Value::Array(items) => step
                .parse()
                .ok()
                .and_then(|number| items.iter().filter(|item| fill(item, given).is_some()).nth(number)),
            _ => None,
        };
        match inner {
            Some(inner) => place = inner,
            None => break,
        }
    }
    Some(place)
}

/// Whether a value is one parameter and nothing else.
pub(super) fn is_parameter(value: &Value) -> bool {
    value.as_str().is_some_and(|text| matches!(pieces(text)[..], [Piece::Parameter(_)]))
}

/// Whether a value is a text, or a secret, of no letters.
pub(super) fn is_empty_text(value: &Value) -> bool {
    as_text(value).is_some_and(|text| text.is_empty())
}

fn fill(value: &Value, given: &Map<String, Value>) -> Option<Value> {
    match value {
        Value::String(text) => fill_text(text, given),
        Value::Array(items) => {
            let filled: Vec<Value> = items.iter().filter_map(|item| fill(item, given)).collect();
            (items.is_empty() || !filled.is_empty()).then_some(Value::Array(filled))
        }
        Value::Object(fields) => {
            let inside = fields.iter().filter_map(|(key, value)| Some((key.clone(), fill(value, given)?)));
            let filled: Map<String, Value> = inside.collect();
            (fields.is_empty() || !filled.is_empty()).then_some(Value::Object(filled))
        }
        other => Some(other.clone()),
    }
}

fn fill_text(text: &str, given: &Map<String, Value>) -> Option<Value> {
    let pieces = pieces(text);
    if let [Piece::Parameter(name)] = pieces[..] {
        return given.get(name).filter(|value| !value.is_null()).cloned();
    }
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Parameter(name) => filled.push_str(&as_text(given.get(name)?)?),
        }
    }
    Some(Value::String(filled))
}

/// A value as text; of a secret, what it hides.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        Value::Object(secret) => secret.get(Secret::VALUE_KEY)?.as_str().map(str::to_owned),
        Value::Null | Value::Array(_) => None,
    }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(start) = text[at..].find("{{").map(|start| at + start) {
        let Some(end) = text[start..].find("}}").map(|end| start + end) else { break };
        at = end + 2;
        if let Some(name) = text[start + 2..end].trim().strip_prefix(PREFIX) {
            if from < start {
                pieces.push(Piece::Literal(&text[from..start]));
            }
            pieces.push(Piece::Parameter(name));
            from = at;
        }
    }
    if from < text.len() || pieces.is_empty() {
        pieces.push(Piece::Literal(&text[from..]));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(source: &Value, given: &Value) -> Value {
        Value::Object(fill_options(source.as_object().unwrap(), given.as_object().unwrap()))
    }

    #[test]
    fn a_whole_value_takes_the_type_and_a_part_the_text() {
        let source = json!({
            "limit": "{{ parameters.limit }}", "path": "/a/{{parameters.limit}}/{{ cursor }}",
            "auth": { "bearer": "{{ parameters.token }}" }, "value": "Key {{ parameters.token }}", "plain": "",
            "body": { "token": "{{ parameters.token }}" }
        });
        let secret = json!({ "$secret": "s", "$file": "/f" });
        assert_eq!(
            filled(&source, &json!({ "limit": 7, "token": secret })),
            json!({
                "limit": 7, "path": "/a/7/{{ cursor }}", "auth": { "bearer": secret }, "value": "Key s", "plain": "",
                "body": { "token": "s" }
            })
        );
    }

    #[test]
    fn what_is_not_given_is_left_out_with_all_that_hung_on_it() {
        let source = json!({
            "auth": { "basic": { "username": "{{ parameters.a }}" }, "bearer": "{{ parameters.b }}" },
            "query": { "x": "{{ parameters.a }}", "y": "{{ cursor }}" }, "list": ["{{ parameters.a }}"], "none": {}
        });
        assert_eq!(
            filled(&source, &json!({ "b": "t", "a": null })),
            json!({ "auth": { "bearer": "t" }, "query": { "y": "{{ cursor }}" }, "none": {} })
        );
    }

    #[test]
    fn a_path_leads_to_what_stood_there_before_items_were_left_out() {
        let source = json!({ "list": ["{{ parameters.a }}", { "x": "a{{ parameters.b }}" }], "whole": "{{parameters.b}}" });
        let (source, given) = (source.as_object().unwrap(), json!({ "b": true }));
        let at = |path: &str| at(source, path, given.as_object().unwrap());
        assert_eq!(at("list[0].x"), Some(&json!("a{{ parameters.b }}")));
        assert_eq!(at("list[0].x.deeper"), at("list[0].x"));
        assert_eq!((at(""), at("elsewhere")), (None, None));
        assert!(is_parameter(at("whole").unwrap()) && !is_parameter(at("list[0].x").unwrap()));
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let source = json!([{ "a": "x{{ parameters.one }}y{{ parameters.two }}" }, "{{ cursor }}", "{{ parameters.one"]);
        assert_eq!(names(&source).into_iter().collect::<Vec<_>>(), ["one", "two"]);
    }
}

//! What a script of a pack is given: checked against the parameters that the pack declares.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sluicebox_core::Problem;

use super::declaration::{Parameter, ParameterKind};
use crate::nearest::nearest;

/// The option that holds the arguments.
const WITH: &str = "with";

/// The arguments with defaults filled in and every value of the declared kind.
///
/// # Errors
/// Everything that is wrong with them. `script` is what messages call the script.
pub(super) fn resolve(
    script: &str,
    parameters: &BTreeMap<String, Parameter>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut meant = Vec::new();
    for name in given.keys().filter(|name| !parameters.contains_key(*name)) {
        let problem = Problem::new(format!("{WITH}.{name}"), format!("`{script}` has no parameter `{name}`"));
        problems.push(match nearest(name, parameters.keys().map(String::as_str)) {
            Some(near) => {
                meant.push(near);
                problem.with_help(format!("did you mean `{near}`?"))
            }
            None => problem.with_help(known(parameters)),
        });
    }
    let mut resolved = Map::new();
    for (name, parameter) in parameters {
        match given.get(name) {
            Some(value) => match fitted(parameter, value) {
                Ok(value) => drop(resolved.insert(name.clone(), value)),
                Err((message, help)) => {
                    let problem = Problem { help, ..Problem::new(format!("{WITH}.{name}"), message) };
                    problems.push(problem);
                }
            },
            // Misspelt, which has been said.
            None if meant.contains(&name.as_str()) => {}
            None if parameter.required => {
                let path = if given.is_empty() { "pack" } else { WITH };
                let problem = Problem::new(path, format!("`{script}` needs the argument `{name}`"));
                problems.push(problem.with_help(format!("`{name}`: {}", parameter.doc)));
            }
            None => drop(resolved.insert(name.clone(), parameter.default.clone())),
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn known(parameters: &BTreeMap<String, Parameter>) -> String {
    let names: Vec<String> = parameters.keys().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "it has none".to_owned() } else { format!("it has: {}", names.join(", ")) }
}

/// What is wrong with a value, and what to do.
type Misfit = (String, Option<String>);

fn fitted(parameter: &Parameter, value: &Value) -> Result<Value, Misfit> {
    let value = typed(parameter.kind, value).ok_or_else(|| {
        let message = format!("expected {}, found {}", parameter.kind.in_words(), shown(value));
        let unquoted = parameter.kind == ParameterKind::Text && (value.is_number() || value.is_boolean());
        (message, unquoted.then(|| format!("quote it: \"{value}\"")))
    })?;
    if parameter.one_of.is_empty() || parameter.one_of.contains(&value) {
        return Ok(value);
    }
    let texts: Vec<&str> = parameter.one_of.iter().filter_map(Value::as_str).collect();
    let near = value.as_str().and_then(|text| nearest(text, texts.iter().copied()));
    let all: Vec<String> = parameter.one_of.iter().map(shown).collect();
    let message = format!("expected one of {}, found {}", all.join(", "), shown(&value));
    Err((message, near.map(|near| format!("did you mean `{near}`?"))))
}

/// The value as one of that kind. What came from a variable is text, and the parameter types it.
pub(super) fn typed(kind: ParameterKind, value: &Value) -> Option<Value> {
    match (kind, value) {
        (ParameterKind::Text, Value::String(_))
        | (ParameterKind::Number, Value::Number(_))
        | (ParameterKind::Boolean, Value::Bool(_))
        | (ParameterKind::List, Value::Array(_))
        | (ParameterKind::Map, Value::Object(_)) => Some(value.clone()),
        (ParameterKind::Integer, Value::Number(number)) => number.is_i64().then(|| value.clone()),
        (ParameterKind::Integer | ParameterKind::Number | ParameterKind::Boolean, Value::String(text)) => {
            let read: Value = serde_json::from_str(text).ok()?;
            if read.is_string() { None } else { typed(kind, &read) }
        }
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters() -> BTreeMap<String, Parameter> {
        serde_json::from_value(json!({
            "field": { "type": "text", "doc": "The field.", "required": true },
            "digits": { "type": "integer", "doc": "Digits.", "default": 2 },
            "mode": { "type": "text", "doc": "How.", "one_of": ["strict", "lenient"] },
        }))
        .unwrap()
    }

    fn told(given: &Value) -> Vec<String> {
        let problems = resolve("money/x", &parameters(), given.as_object().unwrap()).unwrap_err();
        let told = |it: Problem| format!("{}: {} ({})", it.path, it.message, it.help.unwrap_or_default());
        problems.into_iter().map(told).collect()
    }

    #[test]
    fn defaults_are_filled_in_and_variables_typed() {
        let given = json!({ "field": "a", "digits": "3" });
        let resolved = resolve("money/x", &parameters(), given.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(resolved), json!({ "field": "a", "digits": 3, "mode": null }));
        let given = json!({ "field": "a" });
        let resolved = resolve("money/x", &parameters(), given.as_object().unwrap()).unwrap();
        assert_eq!(resolved["digits"], json!(2));
    }

    #[test]
    fn every_misfit_is_told_with_what_was_meant() {
        assert_eq!(
            told(&json!({ "feild": "a", "digits": 1.5, "mode": "strickt" })),
            [
                "with.feild: `money/x` has no parameter `feild` (did you mean `field`?)",
                "with.digits: expected an integer, found `1.5` ()",
                "with.mode: expected one of `strict`, `lenient`, found `strickt` (did you mean `strict`?)",
            ]
        );
        assert_eq!(
            told(&json!({ "mode": "strict" })),
            ["with: `money/x` needs the argument `field` (`field`: The field.)"]
        );
        assert_eq!(told(&json!({})), ["pack: `money/x` needs the argument `field` (`field`: The field.)"]);
        assert_eq!(
            told(&json!({ "field": 10 })),
            ["with.field: expected text, found `10` (quote it: \"10\")"]
        );
        assert_eq!(
            told(&json!({ "field": "a", "other": 1 })),
            ["with.other: `money/x` has no parameter `other` (it has: `digits`, `field`, `mode`)"]
        );
    }
}

//! The options that users of a connector see: its parameters, and the knobs that every connector has.
//!
//! Invariant: what stands here is what parses: the schema that checks a pipeline and the reference come from it.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use sluicebox_core::{Period, Secret};

use super::declaration::{Declaration, Parameter, ParameterKind};
use super::fill;

/// Options of `http_poll` that users may set over those of the file.
const KNOBS: [&str; 5] = ["base_url", "interval", "start", "rate", "max_body"];
/// Those that they may set where the file sets them.
const SET_KNOBS: [&str; 3] = ["limit", "timeout", "on_cursor_expired"];

/// The names of the knobs of a connector: its own parameters hide them.
pub(super) fn knobs(declaration: &Declaration) -> Vec<&'static str> {
    let is_set = |name: &&'static str| declaration.source.contains_key(*name);
    let knobs = KNOBS.into_iter().chain(SET_KNOBS.into_iter().filter(is_set));
    knobs.filter(|name| !declaration.parameters.contains_key(*name)).collect()
}

/// JSON Schema of the options; `language` is that of `http_poll`.
pub(super) fn schema(declaration: &Declaration, language: &Value) -> Schema {
    let mut properties = Map::new();
    for (name, parameter) in &declaration.parameters {
        let mut property = of_parameter(parameter);
        if parameter.kind == ParameterKind::Text && needs_text(declaration, name) {
            property["minLength"] = json!(1);
        }
        properties.insert(name.clone(), property);
    }
    for name in knobs(declaration) {
        let mut knob = language["properties"][name].clone();
        let in_file = declaration.source.get(name).filter(|value| fill::names(value).is_empty());
        if let (Some(knob), Some(value)) = (knob.as_object_mut(), in_file) {
            knob.insert("default".to_owned(), value.clone());
            knob.remove("examples");
        }
        properties.insert(name.to_owned(), knob);
    }
    let required: Vec<&String> = declaration
        .parameters
        .iter()
        .filter_map(|(name, parameter)| parameter.required.then_some(name))
        .collect();
    let mut whole = Map::new();
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("description".to_owned(), json!(description(declaration)));
    whole.insert("required".to_owned(), json!(required));
    whole.insert("additionalProperties".to_owned(), json!(false));
    whole.insert("examples".to_owned(), json!([Value::Object(sample(declaration, true))]));
    whole.insert("properties".to_owned(), Value::Object(properties));
    Schema::from(whole)
}

/// The reference page.
fn description(declaration: &Declaration) -> String {
    let mut text = declaration.summary.trim().to_owned();
    for paragraph in [declaration.description.trim(), talks_to(declaration).as_str()] {
        if !paragraph.is_empty() {
            text.push_str("\n\n");
            text.push_str(paragraph);
        }
    }
    text
}

/// Whom the connector talks to, in a sentence; empty if that is for its users to say.
fn talks_to(declaration: &Declaration) -> String {
    let address = address(declaration);
    address.map(|address| format!("A declared connector; it talks to {address}.")).unwrap_or_default()
}

/// The address that it talks to, as far as the file says it: up to what its users give.
pub(super) fn address(declaration: &Declaration) -> Option<String> {
    let address = declaration.source.get("base_url").and_then(Value::as_str)?;
    match address.split_once("{{") {
        None => Some(address.to_owned()),
        Some(("", _)) => None,
        Some((begin, _)) => Some(format!("{begin}…")),
    }
}

fn of_parameter(parameter: &Parameter) -> Value {
    let mut generator = SchemaGenerator::default();
    let schema = match parameter.kind {
        ParameterKind::Text => String::json_schema(&mut generator),
        ParameterKind::Secret => Secret::json_schema(&mut generator),
        ParameterKind::Integer => i64::json_schema(&mut generator),
        ParameterKind::Boolean => bool::json_schema(&mut generator),
        ParameterKind::Duration => Period::json_schema(&mut generator),
    };
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.insert("description".to_owned(), json!(parameter.description));
    let numbers = [("minimum", parameter.minimum), ("maximum", parameter.maximum)];
    for (key, number) in numbers {
        schema.extend(number.map(|number| (key.to_owned(), json!(number))));
    }
    if !parameter.one_of.is_empty() {
        schema.insert("enum".to_owned(), json!(parameter.one_of));
    }
    if !parameter.default.is_null() {
        schema.insert("default".to_owned(), parameter.default.clone());
    }
    if let Some(example) = &parameter.example {
        schema.insert("examples".to_owned(), json!([example]));
    }
    Value::Object(schema)
}

/// Whether nothing would be as good as an empty text: for what has to be given, alone or in a group.
pub(super) fn needs_text(declaration: &Declaration, name: &str) -> bool {
    declaration.parameters.get(name).is_some_and(|parameter| parameter.required)
        || is_chosen(declaration, name)
}

/// Whether a parameter is in one of the groups of which one is given.
pub(super) fn is_chosen(declaration: &Declaration, name: &str) -> bool {
    declaration.either.iter().flatten().any(|it| it == name)
}

/// A value for each parameter that has to be given, the first group of a choice among them, and with
/// `only_required: false` for the others too.
pub(super) fn sample(declaration: &Declaration, only_required: bool) -> Map<String, Value> {
    let first = declaration.either.first().map_or(&[][..], Vec::as_slice);
    sample_with(declaration, first, !only_required)
}

/// What is the least to be given, for each group of a choice.
pub(super) fn samples(declaration: &Declaration) -> Vec<Map<String, Value>> {
    match &declaration.either[..] {
        [] => vec![sample_with(declaration, &[], false)],
        groups => groups.iter().map(|group| sample_with(declaration, group, false)).collect(),
    }
}

fn sample_with(declaration: &Declaration, group: &[String], all: bool) -> Map<String, Value> {
    let is_wanted = |name: &String, it: &Parameter| all || it.required || group.contains(name);
    let wanted = declaration.parameters.iter().filter(|(name, it)| is_wanted(name, it));
    wanted.map(|(name, parameter)| (name.clone(), sample_of(parameter))).collect()
}

fn sample_of(parameter: &Parameter) -> Value {
    if !parameter.default.is_null() {
        return parameter.default.clone();
    }
    if let Some(first) = parameter.one_of.first() {
        return json!(first);
    }
    match (parameter.kind, &parameter.example) {
        (ParameterKind::Integer, _) => json!(parameter.minimum.unwrap_or(1)),
        (ParameterKind::Boolean, _) => json!(true),
        (_, Some(example)) => json!(example),
        (ParameterKind::Duration, None) => json!("15s"),
        (ParameterKind::Secret, None) => json!("${SECRET}"),
        (ParameterKind::Text, None) => json!("text"),
    }
}

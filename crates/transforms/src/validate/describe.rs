//! What does not fit, said in the user's terms: which field, what was expected, what was found.
//!
//! Invariant: no message is longer than its parts allow: five faults, each with an excerpt of what was found.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::place;

/// Most faults that are listed.
const LISTED: usize = 5;
/// Most characters of a value that are shown.
const SHOWN_CHARS: usize = 60;
/// Most values of an enumeration that are shown.
const SHOWN_VALUES: usize = 10;

/// The first faults of an event, and how many there are in all.
pub(super) fn faults(validator: &Validator, event: &Value) -> (Vec<String>, usize) {
    let mut errors = validator.iter_errors(event);
    let listed: Vec<String> = errors.by_ref().take(LISTED).map(|error| fault(&error, event)).collect();
    let count = listed.len() + errors.count();
    (listed, count)
}

/// All of it in one sentence.
pub(super) fn sentence(validator: &Validator, event: &Value) -> String {
    let (listed, count) = faults(validator, event);
    let others = match count - listed.len() {
        0 => String::new(),
        others => format!("; and {others} more"),
    };
    format!("the event does not fit the schema: {}{others}", listed.join("; "))
}

fn fault(error: &ValidationError<'_>, event: &Value) -> String {
    let path = place::in_event(error.instance_path(), event);
    let found = excerpt(error.instance());
    let (path, expected, found) = match error.kind() {
        Kind::Required { property } => {
            let missing = place::field(&path, property.as_str().unwrap_or_default());
            (missing, "a value".to_owned(), "nothing".to_owned())
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            (path, "only fields that the schema names".to_owned(), quoted(unexpected))
        }
        Kind::PropertyNames { error } => {
            (path, format!("keys that are {}", expected(error.kind())), excerpt(error.instance()))
        }
        Kind::AnyOf { context } => (path, alternatives("one", context, event), found),
        Kind::OneOfNotValid { context } => (path, alternatives("exactly one", context, event), found),
        kind => (path, expected(kind), found),
    };
    let place = if path.is_empty() { "the event".to_owned() } else { format!("`{path}`") };
    format!("{place}: expected {expected}, found {found}")
}

/// What none of some alternatives took, with the fault of the one that came closest.
fn alternatives(how_many: &str, context: &[Vec<ValidationError<'static>>], event: &Value) -> String {
    let expected = format!("{how_many} of {} alternatives to fit", context.len());
    let closest = context.iter().filter_map(|faults| Some((faults.len(), faults.first()?)));
    match closest.min_by_key(|(count, _)| *count) {
        Some((_, first)) => format!("{expected} (the closest: {})", fault(first, event)),
        None => expected,
    }
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Type { kind: TypeKind::Single(one) } => type_name(*one).to_owned(),
        Kind::Type { kind: TypeKind::Multiple(several) } => {
            several.iter().map(type_name).collect::<Vec<_>>().join(" or ")
        }
        Kind::Enum { options } => format!("one of {}", values(options)),
        Kind::Constant { expected_value } => excerpt(expected_value),
        Kind::Format { format } => format!("a text of the format `{format}`"),
        Kind::Pattern { pattern } => format!("a text that matches `{pattern}`"),
        Kind::BacktrackLimitExceeded { .. } => "a text that its pattern can decide on in time".to_owned(),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} elements"),
        Kind::MaxItems { limit } => format!("at most {limit} elements"),
        Kind::AdditionalItems { limit } => format!("no more than {limit} elements"),
        Kind::MinProperties { limit } => format!("at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("at most {limit} fields"),
        Kind::UniqueItems => "elements that differ from each other".to_owned(),
        Kind::Contains => "an element of the kind that `contains` asks for".to_owned(),
        Kind::OneOfMultipleValid { .. } => "exactly one alternative to fit, and several do".to_owned(),
        Kind::Not { schema } => format!("what does not fit {}", excerpt(schema)),
        Kind::FalseSchema => "nothing here".to_owned(),
        other => format!("what `{}` asks for", other.keyword()),
    }
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "a map",
        JsonType::String => "a text",
    }
}

fn values(options: &Value) -> String {
    let all = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut shown: Vec<String> = all.iter().take(SHOWN_VALUES).map(excerpt).collect();
    if all.len() > SHOWN_VALUES {
        shown.push(format!("{} others", all.len() - SHOWN_VALUES));
    }
    shown.join(", ")
}

fn quoted(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(SHOWN_VALUES).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN_VALUES {
        shown.push(format!("{} others", names.len() - SHOWN_VALUES));
    }
    shown.join(", ")
}

/// The beginning of a value.
fn excerpt(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.len() > 2 => format!("a map of {} fields", fields.len()),
        Value::Array(items) if items.len() > 3 => format!("a list of {} elements", items.len()),
        value => {
            let text = value.to_string();
            let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            shown
        }
    }
}

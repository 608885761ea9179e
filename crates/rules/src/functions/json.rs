//! JSON: text into values and back.

use rhai::{Array, Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, quoted, too_large};
use crate::write::Unwritable;
use crate::{budget, limits, tree, write};

pub(super) const FAMILY: Family = Family {
    name: "json",
    summary: "JSON inside a text, as some APIs send it. An event is no text: its fields are read with a dot.",
    functions: functions! {
        "parse_json" "(text) → value":
            "The value that a JSON text stands for; the last of duplicate keys wins. Text that is not JSON is an error."
            r#"parse_json(`{"a": [1, 2.5]}`).a"# => "[1,2.5]";
        "parse_json" "(text, default) → value":
            "The same, with a value for text that is not JSON."
            r#"parse_json("not JSON", #{})"# => "{}";
        "to_json" "(value) → text":
            "JSON in its shortest form, keys sorted: the same text for the same value."
            r#"to_json(#{ b: [1, "x"], a: () })"# => r#""{\"a\":null,\"b\":[1,\"x\"]}""#;
        "is_json" "(text) → true or false":
            "Whether a text is JSON."
            r#"is_json("{\"a\": 1}")"# => "true";
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("parse_json", |text: &str| -> Outcome<Dynamic> {
        read(text)?
            .map_err(|error| format!("`parse_json` expected JSON, found {}: {error}", quoted(text)).into())
    });
    engine.register_fn("parse_json", |text: &str, default: Dynamic| -> Outcome<Dynamic> {
        Ok(read(text)?.unwrap_or(default))
    });
    engine.register_fn("is_json", |text: &str| -> Outcome<bool> { Ok(read(text)?.is_ok()) });
    engine.register_fn("to_json", |map: Map| to_json(&Dynamic::from_map(map)));
    engine.register_fn("to_json", |array: Array| to_json(&Dynamic::from_array(array)));
    engine.register_fn("to_json", |value: Dynamic| to_json(&value));
}

/// The value of a text, or why it is not JSON.
///
/// # Errors
/// The event has no room or no time for it.
fn read(text: &str) -> Outcome<Result<Dynamic, serde_json::Error>> {
    budget::work(text.len())?;
    match tree::read_value(text.as_bytes()) {
        Err(error) if tree::is_too_large(&error) => Err(budget::ended(budget::OUT_OF_MEMORY)),
        read => Ok(read),
    }
}

/// JSON of a value, no longer than a text may be.
///
/// # Errors
/// It would be too long, or JSON cannot hold the value.
pub(super) fn to_json(value: &Dynamic) -> Outcome<String> {
    match write::json_within(value, limits::TEXT_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string().into()),
        Err(Unwritable::Size(_)) => Err(too_large(limits::TEXT)),
        Err(error) => Err(error.to_string().into()),
    }
}

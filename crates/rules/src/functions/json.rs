//! JSON: text into values and back.

use rhai::{Array, Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, quoted};
use crate::{tree, write};

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
        tree::read_value(text.as_bytes())
            .map_err(|error| format!("`parse_json` expected JSON, found {}: {error}", quoted(text)).into())
    });
    engine.register_fn("parse_json", |text: &str, default: Dynamic| {
        tree::read_value(text.as_bytes()).unwrap_or(default)
    });
    engine.register_fn("is_json", |text: &str| tree::read_value(text.as_bytes()).is_ok());
    engine.register_fn("to_json", |map: &mut Map| to_json(&Dynamic::from_map(map.clone())));
    engine.register_fn("to_json", |array: &mut Array| to_json(&Dynamic::from_array(array.clone())));
    engine.register_fn("to_json", |value: Dynamic| to_json(&value));
}

pub(super) fn to_json(value: &Dynamic) -> Outcome<String> {
    let bytes = write::json(value).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string().into())
}

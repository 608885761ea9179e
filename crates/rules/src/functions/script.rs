//! What only a `rhai` script does with an event, beside its last value.

use rhai::{Array, Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::json::to_json;
use crate::effects;

pub(super) const FAMILY: Family = Family {
    name: "script",
    summary: "What a `rhai` script may do with an event, beside changing it. Conditions and templates cannot. The \
              examples show what becomes of the event `{\"n\":5}`.",
    functions: functions! {
        "emit" "(map)":
            "Adds an event before this one; the event itself goes on as well."
            "emit(#{ copy_of: event.n });" => r#"{"events":[{"copy_of":5},{"n":5}]}"#;
        "drop" "()":
            "The event does not go on; what was emitted does."
            "if event.n < 10 { drop() }" => r#"{"events":[]}"#;
        "replace" "(map)":
            "The event becomes this map."
            "replace(#{ value: event.n });" => r#"{"events":[{"value":5}]}"#;
        "to" "(output)":
            "The event goes to the named output (`inputs: [name.output]`) instead. The name is literal text."
            r#"if event.n > 1 { to("large") }"# => r#"{"events":[],"large":[{"n":5}]}"#;
        "dead_letter" "(reason)":
            "Gives the event up at once: a dead letter with reason `explicit`."
            r#"dead_letter("no price")"# => r#"{"dead_letter":"no price","events":[]}"#;
        "log" "(value)":
            "Writes a log line: a text, or a map or list as JSON. Of a number it is the logarithm."
            r#"log("seen " + event.n);"# => r#"{"events":[{"n":5}],"log":["seen 5"]}"#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("emit", effects::emit);
    engine.register_fn("drop", effects::drop_event);
    engine.register_fn("to", effects::to);
    engine.register_fn("replace", effects::replace);
    engine.register_fn("dead_letter", effects::dead_letter);
    engine.register_fn("log", effects::log);
    engine.register_fn("log", |map: Map| effects::log(&to_json(&Dynamic::from_map(map))?));
    engine.register_fn("log", |array: Array| effects::log(&to_json(&Dynamic::from_array(array))?));
}

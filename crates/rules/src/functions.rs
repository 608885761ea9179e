//! Functions of our own that rules may call, beside Rhai's for text, numbers, arrays and maps.
//!
//! Also the meaning of `()`: the value of every missing field and of JSON `null`.

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, Map};

use crate::{effects, tree, write};

/// Registers everything.
pub(crate) fn register(engine: &mut Engine) {
    missing(engine);
    json(engine);
    script(engine);
}

/// A missing field is `()` at any depth, and nothing compares with it.
fn missing(engine: &mut Engine) {
    engine.register_indexer_get(|(): &mut (), _: ImmutableString| ());
    engine.register_indexer_get(|(): &mut (), _: i64| ());
    // `"x" in event.nope` asks a fair question; `event.nope.contains("x")` is a method on nothing.
    #[allow(deprecated, reason = "not deprecated but volatile, says Rhai; its version is pinned")]
    engine.on_missing_function(|name, arguments, is_method, _| {
        let asks = name == "contains" && !is_method && arguments.first().is_some_and(|it| it.is_unit());
        Ok(asks.then_some(Dynamic::FALSE))
    });
    engine.register_fn("==", |(): (), (): ()| false);
    engine.register_fn("!=", |(): (), (): ()| true);
    engine.register_fn("<=", |(): (), (): ()| false);
    engine.register_fn(">=", |(): (), (): ()| false);
}

fn json(engine: &mut Engine) {
    engine.register_fn("parse_json", |text: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        tree::read_value(text.as_bytes()).map_err(|error| format!("not JSON: {error}").into())
    });
    engine.register_fn("to_json", |map: &mut Map| to_json(&Dynamic::from_map(map.clone())));
    engine.register_fn("to_json", |array: &mut Array| to_json(&Dynamic::from_array(array.clone())));
    engine.register_fn("to_json", |value: Dynamic| to_json(&value));
}

fn to_json(value: &Dynamic) -> Result<String, Box<EvalAltResult>> {
    let bytes = write::json(value).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string().into())
}

/// What only a script does.
fn script(engine: &mut Engine) {
    engine.register_fn("emit", effects::emit);
    engine.register_fn("drop", effects::drop_event);
    engine.register_fn("to", effects::to);
    engine.register_fn("replace", effects::replace);
    engine.register_fn("dead_letter", effects::dead_letter);
    engine.register_fn("log", effects::log);
    engine.register_fn("log", |map: Map| effects::log(&to_json(&Dynamic::from_map(map))?));
    engine.register_fn("log", |array: Array| effects::log(&to_json(&Dynamic::from_array(array))?));
}

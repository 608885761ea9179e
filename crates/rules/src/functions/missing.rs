//! The meaning of `()`: the value of every missing field and of JSON `null`.
//!
//! A missing field is `()` at any depth, and nothing compares with it.

use rhai::{Dynamic, Engine, ImmutableString};

pub(super) fn register(engine: &mut Engine) {
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

//! `state.get`, `state.set` and the others: what a script remembers from event to event.

use rhai::{Dynamic, Engine, ImmutableString};

use super::catalogue::{Family, functions};
use super::outcome::Outcome;
use crate::state::{Operation, StateHandle, call};

pub(super) const FAMILY: Family = Family {
    name: "state",
    summary: "What a `rhai` script remembers from event to event, under the names that its `state:` declares. Behind the \
              name stands the key, if it is not the declared one. The examples show what becomes of the event `{\"n\":5}` \
              with `seen: {kind: counter}`, `latest: {kind: value}` and `topics: {kind: set}`, of which nothing is \
              remembered yet.",
    functions: functions! {
        "state.get" "(name) or state.get(name, key) → count, value or list":
            "What is remembered: of a counter 0 and of a value `()` where there is nothing, of a set the list of its items."
            r#"event.before = state.get("latest") ?? "none"; event.count = state.get("seen", "a");"#
            => r#"{"events":[{"before":"none","count":0,"n":5}]}"#;
        "state.set" "(name, value) or state.set(name, key, value)":
            "Remembers a value, or sets a counter. A value that is set to `()` is forgotten."
            r#"state.set("latest", #{ n: event.n }); event.latest = state.get("latest");"#
            => r#"{"events":[{"latest":{"n":5},"n":5}]}"#;
        "state.add" "(name, amount or item) or state.add(name, key, amount or item) → count or boolean":
            "Adds to a counter (1, if no amount is given) and gives the new count; or adds an item to a set and says \
             whether it is new."
            r#"event.count = state.add("seen", 2); event.is_new = state.add("topics", "a");"#
            => r#"{"events":[{"count":2,"is_new":true,"n":5}]}"#;
        "state.contains" "(name, item) or state.contains(name, key, item) → boolean":
            "Whether a set holds an item."
            r#"state.add("topics", event.n); event.has = state.contains("topics", 5);"#
            => r#"{"events":[{"has":true,"n":5}]}"#;
        "state.len" "(name) or state.len(name, key) → integer":
            "How many items a set holds."
            r#"state.add("topics", "a"); event.topics = state.len("topics");"#
            => r#"{"events":[{"n":5,"topics":1}]}"#;
        "state.remove" "(name) or state.remove(name, key) → boolean":
            "Forgets a counter or a value, or an item of a set (`state.remove(name, item)`, `state.remove(name, key, item)`), \
             and says whether there was one."
            r#"state.set("latest", 1); event.was_there = state.remove("latest");"#
            => r#"{"events":[{"n":5,"was_there":true}]}"#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<StateHandle>("state");
    for operation in Operation::ALL {
        let name = operation.name();
        engine.register_fn(name, move |_: StateHandle, state: ImmutableString| -> Outcome<Dynamic> {
            call(operation, &state, &[])
        });
        engine.register_fn(
            name,
            move |_: StateHandle, state: ImmutableString, one: Dynamic| -> Outcome<Dynamic> {
                call(operation, &state, &[one])
            },
        );
        engine.register_fn(
            name,
            move |_: StateHandle, state: ImmutableString, key: Dynamic, one: Dynamic| -> Outcome<Dynamic> {
                call(operation, &state, &[key, one])
            },
        );
    }
}

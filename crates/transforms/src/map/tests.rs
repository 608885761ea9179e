//! What `map` does with events, and what it refuses at check.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Problem, TransformOutcome};

use crate::testing::{Files, apply, build, check, context, event};

const EVENT: &str = r#"{ "id": "e1", "n": 1.10, "big": 12345678901234567890, "data": { "a": "7", "b": null, "list": [ {"x": 1e2}, 2 ] }, "a-b": true }"#;

/// What becomes of [`EVENT`]: its JSON, or the reason and the message of its dead letter.
async fn mapped(options: Value) -> String {
    let transform = build("map", &options, &context()).await;
    let mut outcomes = apply(&*transform, vec![event("x", "a", EVENT)]).await;
    assert_eq!(outcomes.len(), 1, "{options}");
    match outcomes.remove(0).1 {
        TransformOutcome::Emit(None, event) => {
            assert_eq!(event.meta().id, "x");
            String::from_utf8(event.json().to_vec()).unwrap()
        }
        TransformOutcome::DeadLetter(event, reason, error) => {
            assert_eq!(event.json(), EVENT, "a dead letter shows the event as it came");
            format!("{}: {}", reason.as_str(), error.message)
        }
        other => unreachable!("{other:?}"),
    }
}

fn problems(options: &Value) -> Vec<Problem> {
    check("map", options, &Files(BTreeMap::new()))
}

/// The only problem with some options: its path and its message.
fn problem(options: &Value) -> (String, String) {
    let mut found = problems(options);
    assert_eq!(found.len(), 1, "{options}: {found:?}");
    let problem = found.remove(0);
    (problem.path, problem.message)
}

#[tokio::test(start_paused = true)]
async fn what_no_entry_changes_keeps_every_byte() {
    for options in [
        json!({ "rename": { "gone": "x" } }),
        json!({ "defaults": { "n": 5, "data.a": "" } }),
        json!({ "cast": { "n": "number", "id": "text", "gone": "integer", "data.b": "integer", "big": "integer" } }),
        json!({ "remove": ["gone", "data.list[2]", "id.x"] }),
        json!({ "keep": ["id", "n", "big", "data", "[\"a-b\"]"] }),
    ] {
        assert_eq!(mapped(options.clone()).await, EVENT, "{options}");
    }
    let data = r#"{ "a": "7", "b": null, "list": [ {"x": 1e2}, 2 ] }"#;
    assert_eq!(
        mapped(json!({ "remove": ["id"] })).await,
        format!(r#"{{"n":1.10,"big":12345678901234567890,"data":{data},"a-b":true}}"#)
    );
    assert_eq!(
        mapped(json!({ "remove": ["data.a", "[\"a-b\"]"] })).await,
        r#"{"id":"e1","n":1.10,"big":12345678901234567890,"data":{"b":null,"list":[ {"x": 1e2}, 2 ]}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn fields_move_with_their_bytes_and_can_swap() {
    let keep = json!(["new", "n", "big", "deep"]);
    assert_eq!(
        mapped(json!({ "rename": { "big": "n", "n": "big", "data.list[0]": "deep.er", "gone": "new" }, "keep": keep }))
            .await,
        r#"{"n":12345678901234567890,"deep":{"er":{"x": 1e2}},"big":1.10}"#
    );
    assert_eq!(
        mapped(json!({ "rename": { "data.b": "data" }, "keep": ["data"] })).await,
        r#"{"data":null}"#,
        "what is at the new path is replaced, and null is a value that moves"
    );
    assert_eq!(mapped(json!({ "rename": { "n": "n.was" }, "keep": ["n"] })).await, r#"{"n":{"was":1.10}}"#);
    assert_eq!(
        mapped(json!({ "rename": { "n": "id.x" } })).await,
        "validation: `id.x` cannot be set: expected `id` to be a map, found text"
    );
}

#[tokio::test(start_paused = true)]
async fn fields_are_set_by_expressions_literals_and_templates() {
    let set = json!({
        "copy": "event.big", "part": "event.data.list[0]", "none": "event.data.none.x", "calc": "event.n * 2",
        "text": { "text": "{{ meta.id }} {{ event.n }} {{ event.gone }}\"" }, "five": 5, "truth": true,
        "literal": { "value": { "b": [1.5, null], "a": "event.n" } }, "const": "\"EUR\"",
        "data.b.c": "#{ z: 1 }", "[\"a-b\"]": "()"
    });
    assert_eq!(
        mapped(json!({ "set": set, "remove": ["data.list", "data.a", "id", "n", "big"] })).await,
        r#"{"data":{"b":{"c":{"z":1}}},"a-b":null,"calc":2.2,"const":"EUR","copy":12345678901234567890,"five":5,"literal":{"a":"event.n","b":[1.5,null]},"none":null,"part":{"x": 1e2},"text":"x 1.1 \"","truth":true}"#
    );
    for (set, expected) in [
        (json!({ "x": "event.id.len() + event.gone.len()" }), "script: no function fits"),
        (json!({ "x": "event.id.y.z" }), "script: there is no field `y` in text"),
        (json!({ "x": { "text": "{{ event.gone.len() }}" } }), "script: no function fits"),
        (json!({ "id.x": 1 }), "validation: `id.x` cannot be set: expected `id` to be a map, found text"),
        (json!({ "data.list[2]": 1 }), "validation: `data.list[2]` cannot be set"),
    ] {
        let found = mapped(json!({ "set": set })).await;
        assert!(found.starts_with(expected), "{set}: {found}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_steps_have_their_order_and_entries_of_one_do_not_see_each_other() {
    assert_eq!(
        mapped(json!({
            "keep": ["c", "d", "e", "moved"],
            "remove": ["big"],
            "cast": { "c": "text", "e": "integer" },
            "defaults": { "d": 3, "e": "4" },
            "set": { "c": "event.moved * 2", "d": "event.c" },
            "rename": { "n": "moved", "data.b": "e" },
        }))
        .await,
        r#"{"e":4,"moved":1.10,"c":"2.2","d":3}"#
    );
}

#[tokio::test(start_paused = true)]
async fn defaults_fill_what_is_missing_or_null() {
    assert_eq!(
        mapped(json!({
            "defaults": { "data.b": [1], "x.y": { "z": null }, "n": 9, "data.list[0].x": 7 },
            "keep": ["data.b", "x", "n", "data.list[0]"]
        }))
        .await,
        r#"{"n":1.10,"data":{"b":[1],"list":[{"x":1e2}]},"x":{"y":{"z":null}}}"#
    );
    assert_eq!(
        mapped(json!({ "defaults": { "id.x": 1 } })).await,
        "validation: `id.x` cannot be set: expected `id` to be a map, found text"
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_cast_goes_as_asked() {
    let with = |more: Value| {
        let mut options =
            json!({ "cast": { "id": "integer", "data.a": "integer" }, "keep": ["id", "data.a"] });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let refused = "validation: `id` cannot be cast to integer: expected a whole number, found `\"e1\"`";
    assert_eq!(mapped(with(json!({}))).await, refused);
    assert_eq!(mapped(with(json!({ "on_error": "dead_letter" }))).await, refused);
    for null_word in [json!(null), json!("null")] {
        assert_eq!(mapped(with(json!({ "on_error": null_word }))).await, r#"{"id":null,"data":{"a":7}}"#);
    }
    assert_eq!(mapped(with(json!({ "on_error": "keep" }))).await, r#"{"id":"e1","data":{"a":7}}"#);
    assert_eq!(
        mapped(json!({ "cast": { "data": "text" } })).await,
        "validation: `data` cannot be cast to text: expected text, a number, true or false, \
         found `{ \"a\": \"7\", \"b\": null, \"list\": [ {\"x\": 1e2}, 2 ] }`"
    );
    assert_eq!(mapped(json!({ "cast": { "n": "decimal_as_text" }, "keep": ["n"] })).await, r#"{"n":"1.10"}"#);
}

#[tokio::test(start_paused = true)]
async fn one_event_that_fails_touches_no_other() {
    let transform = build("map", &json!({ "cast": { "n": "integer" } }), &context()).await;
    let batch = vec![event("1", "a", r#"{"n":"1"}"#), event("2", "a", r#"{"n":"x"}"#), event("3", "a", "{}")];
    let outcomes = apply(&*transform, batch).await;
    let kinds: Vec<(usize, bool)> =
        outcomes.iter().map(|(index, it)| (*index, matches!(it, TransformOutcome::Emit(None, _)))).collect();
    assert_eq!(kinds, [(0, true), (1, false), (2, true)]);
}

#[test]
fn wrong_paths_and_expressions_are_named_all_at_once() {
    let found = problems(&json!({
        "rename": { "a-b": "x", "c": "event.d" },
        "set": { "e.": "1", "f": "event.", "g": { "text": "{{ event.x" }, "h": "EUR" },
        "defaults": { "[0]": 1 }, "cast": { "a..b": "text" }, "remove": ["ok", "a["], "keep": ["meta.id"]
    }));
    let places: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "rename.a-b",
            "rename.c",
            "defaults[0]",
            "cast.a..b",
            "remove[1]",
            "keep[0]",
            "set.e.",
            "set.f",
            "set.g.text",
            "set.h"
        ]
    );
    let help = found.last().unwrap().help.as_deref().unwrap();
    assert!(help.contains("event.EUR") && help.contains("{value: …}"), "{help}");
    assert_eq!(problem(&json!({})).1, "nothing is to be changed");
}

#[test]
fn contradictions_are_problems() {
    for (options, place, message) in [
        (
            json!({ "keep": ["a", "b"], "remove": ["b"] }),
            "remove[0]",
            "`b` is removed, but `b` is to be kept",
        ),
        (json!({ "keep": ["a.b"], "remove": ["a"] }), "remove[0]", "`a` is removed, but `a.b` is to be kept"),
        (json!({ "keep": [] }), "keep", "an event of which nothing is kept is empty"),
        (
            json!({ "rename": { "a": "b" }, "set": { "b": 1 } }),
            "rename.a",
            "`a` is renamed to `b`, which `set` then",
        ),
        (
            json!({ "rename": { "a": "b.c" }, "set": { "b": 1 } }),
            "rename.a",
            "`a` is renamed to `b.c`, which `set`",
        ),
        (json!({ "rename": { "a": "a" } }), "rename.a", "`a` is renamed to itself"),
        (json!({ "rename": { "a": "c", "b": "c" } }), "rename.b", "`b` and `a` are renamed to `c` and `c`"),
        (
            json!({ "rename": { "a": "c", "b": "c.d" } }),
            "rename.b",
            "`b` and `a` are renamed to `c.d` and `c`",
        ),
        (json!({ "rename": { "a": "c", "a.b": "d" } }), "rename.a.b", "`a.b` and `a` overlap: which"),
        (json!({ "set": { "a": 1, "a.b": 2 } }), "set.a.b", "`a.b` and `a` overlap, and the order"),
        (json!({ "set": { "a.b": 1, "a[\"b\"]": 2 } }), "set.a[\"b\"]", "`a[\"b\"]` and `a.b` overlap"),
        (json!({ "defaults": { "a": 1, "a.b": 2 } }), "defaults.a.b", "`a.b` and `a` overlap"),
        (
            json!({ "cast": { "a.b": "text", "a[\"b\"]": "text" } }),
            "cast.a[\"b\"]",
            "`a[\"b\"]` and `a.b` overlap",
        ),
        (
            json!({ "set": { "a.b": 1 }, "remove": ["a"] }),
            "remove[0]",
            "`a` is removed, and with it `a.b`, which `set`",
        ),
        (
            json!({ "rename": { "x": "a" }, "remove": ["a"] }),
            "remove[0]",
            "`a` is removed, and with it `a`, which `ren",
        ),
        (
            json!({ "defaults": { "a": 1 }, "keep": ["b"] }),
            "keep",
            "`a`, which `defaults` writes, is not kept",
        ),
    ] {
        let (found, told) = problem(&options);
        assert_eq!(found, place, "{options}: {told}");
        assert!(told.starts_with(message), "{options}: {told}");
    }
    for options in [
        json!({ "rename": { "a": "b", "b": "a" } }),
        json!({ "rename": { "a": "b" }, "set": { "b.c": 1, "a": 2 } }),
        json!({ "set": { "a": "event.b" }, "defaults": { "a": 0 }, "cast": { "a": "integer" } }),
        json!({ "keep": ["a"], "remove": ["a.b"] }),
        json!({ "set": { "a.b": 1 }, "keep": ["a"] }),
        json!({ "set": { "a": { "value": {} } }, "keep": ["a.b"] }),
    ] {
        assert_eq!(problems(&options), [], "{options}");
    }
}

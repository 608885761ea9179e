//! What is learnt from samples, alone and on top of what was learnt before.

use serde_json::{Value, json};

use super::Learner;
use crate::{Declared, Found, Step};

fn learnt(samples: &[Value], before: Option<&Value>) -> Value {
    let mut learner = Learner::default();
    for sample in samples {
        learner.see(sample);
    }
    learner.schema(before)
}

#[test]
fn types_are_united_and_required_is_what_was_always_there() {
    let samples = [
        json!({ "id": 1, "at": "2026-06-12T10:00:00Z", "who": null, "n": 1, "tags": ["a"], "in": { "x": 1 } }),
        json!({ "id": 2, "at": "2026-06-12T10:00:01Z", "who": "ann", "n": 1.5, "tags": [], "in": {} }),
        json!({ "id": 3, "at": "2026-06-12T10:00:02Z", "n": 2, "more": true, "tags": [7] }),
    ];
    assert_eq!(
        learnt(&samples, None),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "id": { "type": "integer" },
                "at": { "type": "string", "format": "date-time" },
                "who": { "type": ["null", "string"] },
                "n": { "type": "number" },
                "more": { "type": "boolean" },
                "tags": { "type": "array", "items": { "type": ["integer", "string"] } },
                "in": { "type": "object", "properties": { "x": { "type": "integer" } } },
            },
            "required": ["at", "id", "n", "tags"],
        })
    );
}

#[test]
fn a_closed_set_needs_few_values_and_many_samples() {
    let of = |count: usize, values: usize| {
        let samples: Vec<Value> =
            (0..count).map(|number| json!({ "state": format!("s{}", number % values) })).collect();
        learnt(&samples, None)["properties"]["state"]["enum"].clone()
    };
    assert_eq!(of(60, 2), json!(["s0", "s1"]));
    assert_eq!(of(49, 2), Value::Null, "too few samples");
    assert_eq!(of(60, 7), Value::Null, "too many values for them");
    assert_eq!(of(5000, 13), Value::Null, "too many values");
}

#[test]
fn every_type_has_a_schema_of_its_own() {
    let samples = [
        json!({ "type": "order/paid", "total": 5 }),
        json!({ "type": "order.sent", "by": "post" }),
        json!({ "heartbeat": true }),
    ];
    let schema = learnt(&samples, None);
    assert_eq!(schema["anyOf"][1], json!({ "$ref": "#/$defs/order~1paid" }));
    assert_eq!(schema["$defs"]["order.sent"]["properties"]["type"], json!({ "const": "order.sent" }));
    let declared = Declared::read(&[schema]).unwrap();
    let named: Vec<_> = declared.types().iter().map(|it| it.name.clone()).collect();
    let of = |name: &str| Some(("type".to_owned(), name.to_owned()));
    assert_eq!(named, [of("order.sent"), of("order/paid"), None]);
    let total = declared.types()[1].shape.field(&[Step::Name("totl")]);
    assert!(matches!(total, Found::Unknown { nearest: Some("total"), .. }), "{total:?}");
}

#[test]
fn a_second_run_adds_and_never_narrows() {
    let mut before = learnt(
        &[json!({ "type": "a", "id": 1, "at": "2026-06-12", "old": 1 }), json!({ "type": "b", "id": 1 })],
        None,
    );
    before["$defs"]["a"]["properties"]["id"]["description"] = json!("Whose.");
    before["title"] = json!("Shop");
    let after = learnt(
        &[json!({ "type": "a", "id": "x", "at": "soon", "new": 1 }), json!({ "type": "c" })],
        Some(&before),
    );
    assert_eq!(after["title"], json!("Shop"));
    assert_eq!(
        after["$defs"]["a"],
        json!({
            "type": "object",
            "properties": {
                "type": { "const": "a" },
                "id": { "type": ["integer", "string"], "description": "Whose." },
                "at": { "type": "string" },
                "old": { "type": "integer" },
                "new": { "type": "integer" },
            },
            "required": ["at", "id", "type"],
        })
    );
    assert_eq!(after["$defs"]["b"], before["$defs"]["b"]);
    assert_eq!(after["anyOf"].as_array().unwrap().len(), 3);
    assert_eq!(
        learnt(&[json!({ "type": "a", "id": 1 })], Some(&after))["$defs"]["a"]["required"],
        json!(["id", "type"])
    );
}

#[test]
fn what_was_closed_stays_closed_only_if_both_runs_say_so() {
    let many = |states: &[&str]| {
        let samples: Vec<Value> = (0..60).map(|at| json!({ "state": states[at % states.len()] })).collect();
        samples
    };
    let before = learnt(&many(&["a", "b"]), None);
    let state = |schema: &Value| schema["properties"]["state"].clone();
    assert_eq!(state(&learnt(&many(&["b", "c"]), Some(&before)))["enum"], json!(["a", "b", "c"]));
    assert_eq!(state(&learnt(&[json!({ "state": "a" })], Some(&before))), json!({ "type": "string" }));
    assert_eq!(
        state(&learnt(&many(&["a"]), Some(&learnt(&[json!({ "state": "x" })], None)))),
        json!({ "type": "string" })
    );
}

#[test]
fn keys_that_are_data_are_no_fields() {
    let samples: Vec<Value> =
        (0..200).map(|id| json!({ "by_id": { format!("u{id}"): { "n": id } } })).collect();
    let schema = learnt(&samples, None);
    assert_eq!(
        schema["properties"]["by_id"],
        json!({
            "type": "object",
            "additionalProperties": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] }
        })
    );
    let types: Vec<Value> = (0..300).map(|id| json!({ "type": format!("t{id}"), "n": 1 })).collect();
    assert_eq!(learnt(&types, None)["properties"]["type"], json!({ "type": "string" }), "no types");
}

//! Tests of `validate` as a pipeline uses it: options in, events through.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Reason, Transform, TransformOutcome};

use crate::testing::{Files, apply, build, check, context, event, parse};

/// What became of one event: `ok`, the output, the reason; and the event's text or the message.
async fn outcome(transform: &dyn Transform, json: &str) -> (String, String) {
    let mut outcomes = apply(transform, vec![event("1", "a", json)]).await;
    assert_eq!(outcomes.len(), 1);
    match outcomes.remove(0).1 {
        TransformOutcome::Emit(output, event) => (
            output.map_or_else(|| "ok".to_owned(), Into::into),
            String::from_utf8(event.json().to_vec()).unwrap(),
        ),
        TransformOutcome::Discard(reason) => (reason.as_str().to_owned(), String::new()),
        TransformOutcome::Absorb => ("absorbed".to_owned(), String::new()),
        TransformOutcome::DeadLetter(event, reason, error) => {
            assert_eq!(event.json(), json);
            (reason.as_str().to_owned(), error.message)
        }
    }
}

/// What is said about one event that does not fit.
async fn said(schema: Value, json: &str) -> String {
    let transform = build("validate", &json!({ "schema": schema }), &context()).await;
    let (reason, message) = outcome(&*transform, json).await;
    assert_eq!(reason, Reason::Validation.as_str(), "{message}");
    message.strip_prefix("the event does not fit the schema: ").unwrap().to_owned()
}

async fn fits(schema: Value, json: &str) -> bool {
    let transform = build("validate", &json!({ "schema": schema }), &context()).await;
    outcome(&*transform, json).await.0 == "ok"
}

fn payment() -> Value {
    json!({
        "type": "object",
        "required": ["id", "data"],
        "properties": {
            "id": { "type": "string" },
            "data": { "properties": {
                "amount": { "type": "number", "minimum": 0 },
                "email": { "format": "email" },
                "e-mail": { "maxLength": 3 },
                "tags": { "type": "array", "items": { "enum": ["a", "b"] } }
            } }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_fits_passes_byte_for_byte() {
    let transform = build("validate", &json!({ "schema": payment() }), &context()).await;
    let json = r#"{ "id":"\u0041", "data" : {"amount":1.10, "x":12345678901234567890}, "id":"b" }"#;
    assert_eq!(outcome(&*transform, json).await, ("ok".to_owned(), json.to_owned()));
    assert_eq!(
        outcome(&*transform, r#"{"id":"1","id":1,"data":{}}"#).await.0,
        "validation",
        "the last one counts"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_names_the_field_and_what_was_expected_and_found() {
    for (json, expected) in [
        (r#"{"data":{}}"#, "`id`: expected a value, found nothing"),
        (r#"{"id":7,"data":{}}"#, "`id`: expected a text, found 7"),
        (r#"{"id":"1","data":{"amount":"1.50"}}"#, "`data.amount`: expected a number, found \"1.50\""),
        (r#"{"id":"1","data":{"amount":-1}}"#, "`data.amount`: expected at least 0, found -1"),
        (
            r#"{"id":"1","data":{"email":"x"}}"#,
            "`data.email`: expected a text of the format `email`, found \"x\"",
        ),
        (
            r#"{"id":"1","data":{"e-mail":"long"}}"#,
            "`data[\"e-mail\"]`: expected at most 3 characters, found \"long\"",
        ),
        (
            r#"{"id":"1","data":{"tags":["a","c"]}}"#,
            "`data.tags[1]`: expected one of \"a\", \"b\", found \"c\"",
        ),
        (r#"{"id":{"a":1,"b":2,"c":3},"data":{}}"#, "`id`: expected a text, found a map of 3 fields"),
    ] {
        assert_eq!(said(payment(), json).await, expected);
    }
    let closed = json!({ "additionalProperties": false, "properties": { "a": {} } });
    let expected = "the event: expected only fields that the schema names, found `b`";
    assert_eq!(said(closed, r#"{"a":1,"b":2}"#).await, expected);
    let either = json!({ "properties": { "a": { "anyOf": [{ "type": ["string", "null"] }, { "minimum": 3, "multipleOf": 5 }] } } });
    let expected = "`a`: expected one of 2 alternatives to fit (the closest: `a`: expected a text or null, found 2), found 2";
    let said = said(either, r#"{"a":2}"#).await;
    assert!(said == expected || said == expected.replace("a text or null", "null or a text"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn five_faults_are_listed_and_the_others_counted() {
    let schema = json!({ "properties": { "l": { "items": { "type": "integer" } } } });
    let listed = said(schema.clone(), r#"{"l":["a","b","c","d","e","f","g",1]}"#).await;
    assert!(listed.starts_with("`l[0]`: expected an integer, found \"a\"; `l[1]`: "), "{listed}");
    assert!(listed.ends_with("`l[4]`: expected an integer, found \"e\"; and 2 more"), "{listed}");
    let long = said(schema, &format!(r#"{{"l":["{}"]}}"#, "é".repeat(1000))).await;
    assert!(long.chars().count() < 120 && long.ends_with('…'), "{long}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_goes_where_it_should() {
    let bad = r#"{"id":1, "data":{} }"#;
    let cx = context();
    let drop = build("validate", &json!({ "schema": payment(), "on_invalid": "drop" }), &cx).await;
    assert_eq!(outcome(&*drop, bad).await.0, "filtered");
    let route = json!({ "schema": payment(), "on_invalid": "route" });
    assert_eq!(
        outcome(&*build("validate", &route, &cx).await, bad).await,
        ("invalid".to_owned(), bad.to_owned())
    );
    let noted = json!({ "schema": payment(), "on_invalid": "route", "faults_into": "faults" });
    let expected = r#"{"id":1, "data":{} ,"faults":["`id`: expected a text, found 1"]}"#;
    assert_eq!(
        outcome(&*build("validate", &noted, &cx).await, bad).await,
        ("invalid".to_owned(), expected.to_owned())
    );
    let files = Files(BTreeMap::new());
    let check = CheckContext { files: &files, sources: &[] };
    assert_eq!(parse("validate", &route).outputs(&check), ["invalid"]);
    assert!(parse("validate", &json!({ "schema": payment() })).outputs(&check).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_no_program_can_hold_is_a_parse_dead_letter() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let transform = build("validate", &json!({ "schema": {}, "on_invalid": "drop" }), &context()).await;
    for json in [r#"{"a":"\ud800"}"#, r#"{"a":1e400}"#, &deep] {
        let (reason, message) = outcome(&*transform, json).await;
        assert!(reason == "parse" && message.starts_with("the event cannot be read: "), "{reason} {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn formats_are_asserted_unless_told_otherwise() {
    for (format, good, bad) in [
        ("date-time", "2026-06-12T10:00:00.5+02:00", "2026-06-12 10:00"),
        ("email", "a.b+c@example.com", "a@"),
        ("uri", "https://example.com/a?b", "/a?b"),
        ("uuid", "550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"),
    ] {
        for draft in
            ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
        {
            let schema = json!({ "$schema": draft, "properties": { "a": { "format": format } } });
            let asserted = draft.contains("2020") || format != "uuid";
            assert!(fits(schema.clone(), &json!({ "a": good }).to_string()).await, "{draft} {format}");
            assert_eq!(fits(schema, &json!({ "a": bad }).to_string()).await, !asserted, "{draft} {format}");
        }
        let schema = json!({ "properties": { "a": { "format": format } } });
        let lax = build("validate", &json!({ "schema": schema, "formats": false }), &context()).await;
        assert_eq!(outcome(&*lax, &json!({ "a": bad }).to_string()).await.0, "ok");
    }
    let unknown = json!({ "properties": { "a": { "format": "int64" } } });
    assert!(fits(unknown, r#"{"a":"x"}"#).await);
}

#[tokio::test(start_paused = true)]
async fn both_drafts_are_understood() {
    let seven = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": { "l": { "items": [{ "type": "string" }], "additionalItems": false } }
    });
    assert!(fits(seven.clone(), r#"{"l":["a"]}"#).await && !fits(seven, r#"{"l":["a",1]}"#).await);
    let newest = json!({ "properties": { "l": { "prefixItems": [{ "type": "string" }], "items": false } } });
    assert!(fits(newest.clone(), r#"{"l":["a"]}"#).await && !fits(newest, r#"{"l":["a",1]}"#).await);
    let look = json!({ "properties": { "a": { "pattern": "^(?!x)[a-z]+$" } } });
    assert!(fits(look.clone(), r#"{"a":"yx"}"#).await && !fits(look, r#"{"a":"xy"}"#).await);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_takes_too_long_does_not_match() {
    let slow = json!({ "properties": { "a": { "pattern": r"^(a|a|aa)+\1$" } } });
    let said = said(slow, &format!(r#"{{"a":"{}b"}}"#, "a".repeat(60))).await;
    assert!(said.starts_with("`a`: expected "), "{said}");
}

const ORDER: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "properties": {
    "customer": { "$ref": "parts/customer.json" },
    "total": { "$ref": "money.json#/$defs/amount" },
    "next": { "$ref": "#" }
  }
}"##;
const CUSTOMER: &str =
    r#"{ "required": ["name"], "properties": { "debt": { "$ref": "../money.json#/$defs/amount" } } }"#;
const MONEY: &str = r#"{ "$defs": { "amount": { "type": "number" } } }"#;

async fn in_files(file: &str, files: &[(&'static str, &'static str)]) -> Box<dyn Transform> {
    let files = Files(files.iter().copied().collect());
    parse("validate", &json!({ "file": file })).build(&context(), &files).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn references_lead_to_files_beside_the_schema() {
    let good = r#"{"customer":{"name":"x","debt":1},"total":2,"next":{"total":3}}"#;
    for (order, parts, money) in [
        ("schemas/order.json", "schemas/parts/customer.json", "schemas/money.json"),
        ("order.json", "parts/customer.json", "money.json"),
        ("/etc/s/order.json", "/etc/s/parts/customer.json", "/etc/s/money.json"),
    ] {
        let transform = in_files(order, &[(order, ORDER), (parts, CUSTOMER), (money, MONEY)]).await;
        assert_eq!(outcome(&*transform, good).await.0, "ok");
        for (json, expected) in [
            (r#"{"customer":{"debt":1}}"#, "`customer.name`: expected a value, found nothing"),
            (r#"{"customer":{"name":"x","debt":"1"}}"#, "`customer.debt`: expected a number, found \"1\""),
            (r#"{"next":{"next":{"total":null}}}"#, "`next.next.total`: expected a number, found null"),
        ] {
            let (_, message) = outcome(&*transform, json).await;
            assert_eq!(message, format!("the event does not fit the schema: {expected}"));
        }
    }
    let with_id = r#"{ "$id": "https://example.com/s/order.json", "properties": { "total": { "$ref": "money.json#/$defs/amount" } } }"#;
    let transform = in_files("s/order.json", &[("s/order.json", with_id), ("s/money.json", MONEY)]).await;
    assert_eq!(outcome(&*transform, r#"{"total":"1"}"#).await.0, "validation");
}

#[test]
fn references_to_elsewhere_are_refused_with_their_place() {
    let outside = r#"{ "properties": {
        "a": { "$ref": "https://example.com/a.json" } } }"#;
    let above = r#"{ "$ref": "../a.json" }"#;
    let gone = r#"{ "items": [], "allOf": [{}, { "$ref": "gone.json#/a" }] }"#;
    let nowhere = r##"{ "$ref": "#/$defs/x" }"##;
    let files = Files(BTreeMap::from([
        ("s/outside.json", outside),
        ("s/above.json", above),
        ("s/nowhere.json", nowhere),
        ("a.json", "{}"),
        ("s/a.json", "{}"),
        ("s/gone.json", gone),
    ]));
    for (file, place, message) in [
        (
            "s/outside.json",
            Some((2, 24)),
            "`$ref` leads to `https://example.com/a.json`, and schemas are never fetched",
        ),
        ("s/above.json", Some((1, 11)), "`$ref` leads to "),
        ("s/gone.json", None, "this is no JSON Schema"),
        ("s/nowhere.json", None, "`$ref` leads nowhere: "),
    ] {
        let problem = check("validate", &json!({ "file": file }), &files).remove(0);
        assert_eq!(problem.path, "file");
        assert!(problem.message.starts_with(message), "{problem:?}");
        assert!(place.is_none() || problem.inside == place, "{problem:?}");
    }
    let inline = json!({ "schema": { "allOf": [{}, { "$ref": "gone.json#/a" }] } });
    let problem = check("validate", &inline, &files).remove(0);
    assert_eq!(problem.path, "schema.allOf[1].$ref");
    assert_eq!(problem.message, "`$ref` leads to `gone.json`: gone.json was not found");
    let problem = check("validate", &json!({ "schema": { "$ref": "https://a.b/c.json" } }), &files).remove(0);
    assert!(problem.path == "schema.$ref" && problem.help.is_some(), "{problem:?}");
}

#[test]
fn a_schema_that_is_none_is_reported_at_its_place() {
    let files = Files(BTreeMap::from([
        ("text.json", "{ \"type\": \n  oops }"),
        ("type.json", "{\n  \"properties\": {\n    \"a\": { \"type\": \"txt\" } } }"),
        ("list.json", "[]"),
    ]));
    for (options, path, inside) in [
        (json!({ "schema": { "type": "txt" } }), "schema.type", None),
        (
            json!({ "schema": { "properties": { "a": { "minimum": "1" } } } }),
            "schema.properties.a.minimum",
            None,
        ),
        (json!({ "schema": { "anyOf": [{}, { "pattern": "(" }] } }), "schema.anyOf[1].pattern", None),
        (json!({ "schema": true }), "schema", None),
        (json!({ "schema": { "$schema": "https://example.com/my/schema" } }), "schema.$schema", None),
        (json!({ "file": "text.json" }), "file", Some((2, 3))),
        (json!({ "file": "type.json" }), "file", Some((3, 20))),
        (json!({ "file": "list.json" }), "file", Some((1, 1))),
        (json!({ "file": "gone.json" }), "file", None),
        (json!({}), "", None),
        (json!({ "schema": {}, "file": "list.json" }), "file", None),
        (json!({ "schema": {}, "faults_into": "x" }), "faults_into", None),
        (json!({ "schema": {}, "on_invalid": "route", "faults_into": "x.y" }), "faults_into", None),
    ] {
        let problems = check("validate", &options, &files);
        assert_eq!(problems.len(), 1, "{options}: {problems:?}");
        assert_eq!((problems[0].path.as_str(), problems[0].inside), (path, inside), "{problems:?}");
    }
}

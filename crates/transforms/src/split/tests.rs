//! What `split` makes of events, and what it refuses at check.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use sluicebox_core::TransformOutcome;

use crate::testing::{Files, apply, build, check, context, event};

const EVENT: &str = r#"{ "id": "o1", "n": 1.10, "data": { "items": [ {"sku": "a", "p": 2.50 }, {"id":7,"data":{}} ], "who": "w" } }"#;

async fn split_event(options: Value, json: &str) -> Vec<String> {
    let transform = build("split", &options, &context()).await;
    let outcomes = apply(&*transform, vec![event("x", "a", json)]).await;
    let tell = |(index, outcome): (usize, TransformOutcome)| {
        assert_eq!(index, 0);
        match outcome {
            TransformOutcome::Emit(output, event) => {
                assert_eq!(output, None);
                assert_eq!((&*event.meta().account, event.meta().event_type.as_str()), ("a", "t"));
                format!("{} {}", event.meta().id, String::from_utf8(event.json().to_vec()).unwrap())
            }
            TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
            TransformOutcome::Absorb => "absorbed".to_owned(),
            TransformOutcome::DeadLetter(event, reason, error) => {
                assert_eq!(event.json(), json.as_bytes(), "a dead letter shows the event as it came");
                format!("{}: {}", reason.as_str(), error.message)
            }
        }
    };
    outcomes.into_iter().map(tell).collect()
}

async fn split(options: Value) -> Vec<String> {
    split_event(options, EVENT).await
}

#[tokio::test(start_paused = true)]
async fn items_become_events_byte_for_byte_in_their_order() {
    assert_eq!(
        split(json!({ "path": "data.items" })).await,
        [r#"x/main/0 {"sku": "a", "p": 2.50 }"#, r#"x/main/1 {"id":7,"data":{}}"#]
    );
    assert_eq!(
        split(json!({ "path": "data.items", "into": "item" })).await,
        [r#"x/main/0 {"item":{"sku": "a", "p": 2.50 }}"#, r#"x/main/1 {"item":{"id":7,"data":{}}}"#]
    );
    assert_eq!(
        split_event(json!({ "path": "l[1]" }), r#"{"l":[0,[{"a":1e2}]]}"#).await,
        [r#"x/main/0 {"a":1e2}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn fields_of_the_event_come_along() {
    assert_eq!(
        split(json!({ "path": "data.items", "keep": ["id", "n", "data.who", "gone"] })).await,
        [
            r#"x/main/0 {"sku":"a","p":2.50,"id":"o1","n":1.10,"data":{"who":"w"}}"#,
            r#"x/main/1 {"id":7,"data":{"who":"w"},"n":1.10}"#,
        ],
        "an item's own field stays"
    );
    assert_eq!(
        split(json!({ "path": "data.items", "into": "item", "keep": ["data"] })).await[0],
        r#"x/main/0 {"item":{"sku": "a", "p": 2.50 },"data":{"who":"w"}}"#,
        "the list itself does not come along"
    );
    assert_eq!(
        split(json!({ "path": "data.items", "parent": "order" })).await[1],
        r#"x/main/1 {"id":7,"data":{},"order":{"id":"o1","n":1.10,"data":{"who":"w"}}}"#
    );
    assert_eq!(
        split(json!({ "path": "data.items", "parent": "id", "keep": ["n", "gone"] })).await[1],
        r#"x/main/1 {"id":{"n":1.10},"data":{}}"#,
        "the name was chosen for the parent"
    );
    assert_eq!(
        split_event(
            json!({ "path": "l", "keep": ["a.b"] }),
            r#"{"a":{"b":1},"l":[{}, {"a":null}, {"a":"x"}]}"#
        )
        .await,
        [
            "validation: item 2 of `l` cannot take what comes along: `a.b` cannot be set: expected `a` to be a map, \
          found text"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn items_that_are_no_maps_are_wrapped_or_refused_together() {
    let mixed = r#"{"l":[{"a":1},1.10,"x",null,[2]]}"#;
    assert_eq!(
        split_event(json!({ "path": "l", "as": "item", "keep": [] }), mixed).await,
        [
            r#"x/main/0 {"a":1}"#,
            r#"x/main/1 {"item":1.10}"#,
            r#"x/main/2 {"item":"x"}"#,
            r#"x/main/3 {"item":null}"#,
            r#"x/main/4 {"item":[2]}"#,
        ]
    );
    assert_eq!(
        split_event(json!({ "path": "l" }), mixed).await,
        ["validation: item 1 of `l` is no map: found a number"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_and_a_missing_one_go_as_asked() {
    let passed = |json: &str| vec![format!("x {json}")];
    let empty = r#"{ "l": [ ] }"#;
    assert_eq!(split_event(json!({ "path": "l" }), empty).await, ["filtered"]);
    assert_eq!(split_event(json!({ "path": "l", "empty": "drop" }), empty).await, ["filtered"]);
    assert_eq!(split_event(json!({ "path": "l", "empty": "pass" }), empty).await, passed(empty));
    for (json, found) in [
        (r#"{ "a": 1 }"#, "nothing"),
        (r#"{"l":null}"#, "null"),
        (r#"{"l":"[]"}"#, "text"),
        (r#"{"l":{"0":1}}"#, "a map"),
    ] {
        let told = format!("validation: expected a list at `l`, found {found}");
        assert_eq!(split_event(json!({ "path": "l" }), json).await, [told.as_str()]);
        assert_eq!(
            split_event(json!({ "path": "l", "on_missing": "dead_letter" }), json).await,
            [told.as_str()]
        );
        assert_eq!(split_event(json!({ "path": "l", "on_missing": "pass" }), json).await, passed(json));
        assert_eq!(split_event(json!({ "path": "l", "on_missing": "drop" }), json).await, ["filtered"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_event_becomes_is_bounded() {
    let three = r#"{"l":[{},{},{}]}"#;
    assert_eq!(split_event(json!({ "path": "l", "max_items": 3 }), three).await.len(), 3);
    assert_eq!(
        split_event(json!({ "path": "l", "max_items": 2 }), three).await,
        ["too_large: `l` has 3 items, and at most 2 may become events"]
    );
    let mut large = format!(r#"{{"note":"{}","l":[{{}}"#, "x".repeat(1 << 20));
    for number in 0..70 {
        write!(large, ",{{\"n\":{number}}}").unwrap();
    }
    large.push_str("]}");
    assert_eq!(
        split_event(json!({ "path": "l", "parent": "whole" }), &large).await,
        ["too_large: the items of `l` become more than 64 MiB of events"]
    );
}

#[tokio::test(start_paused = true)]
async fn one_event_that_fails_touches_no_other() {
    let transform = build("split", &json!({ "path": "l" }), &context()).await;
    let batch =
        vec![event("1", "a", r#"{"l":[{},{}]}"#), event("2", "a", "{}"), event("3", "a", r#"{"l":[{}]}"#)];
    let outcomes = apply(&*transform, batch).await;
    let ids: Vec<String> = outcomes
        .iter()
        .map(|(index, outcome)| match outcome {
            TransformOutcome::Emit(_, event) => format!("{index} {}", event.meta().id),
            other => format!(
                "{index} {}",
                if matches!(other, TransformOutcome::DeadLetter(..)) { "letter" } else { "" }
            ),
        })
        .collect();
    assert_eq!(ids, ["0 1/main/0", "0 1/main/1", "1 letter", "2 3/main/0"]);
}

#[test]
fn options_are_checked() {
    let files = Files(BTreeMap::new());
    let fine = json!({ "path": "data.items", "as": "item", "keep": ["id", "data"], "parent": "order" });
    assert_eq!(check("split", &fine, &files), []);
    for (more, place, message) in [
        (json!({ "path": "a..b" }), "path", "expected a path, found `a..b`"),
        (json!({ "path": "event.l" }), "path", "a path leads into the event"),
        (json!({ "keep": ["x", "y-z"] }), "keep[1]", "expected a path, found `y-z`"),
        (json!({ "keep": ["l"] }), "keep[0]", "`l` is the list that is split"),
        (json!({ "keep": ["l[0].a"] }), "keep[0]", "`l` is the list that is split"),
        (json!({ "into": "" }), "into", "expected the name of a top-level field"),
        (json!({ "as": "a.b" }), "as", "expected the name of a top-level field"),
        (json!({ "parent": "a[0]" }), "parent", "expected the name of a top-level field"),
        (json!({ "into": "a", "as": "b" }), "as", "`into` wraps every item"),
        (json!({ "into": "a", "parent": "a" }), "parent", "the item and the event around it"),
        (json!({ "as": "a", "parent": "a" }), "parent", "the item and the event around it"),
        (json!({ "max_items": 0 }), "max_items", "expected 1 to 100000, found 0"),
        (json!({ "max_items": 100_001 }), "max_items", "expected 1 to 100000, found 100001"),
    ] {
        let mut options = json!({ "path": "l" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problems = check("split", &options, &files);
        assert_eq!(problems.len(), 1, "{options}: {problems:?}");
        assert_eq!(problems[0].path, place, "{options}");
        assert!(problems[0].message.starts_with(message), "{}", problems[0].message);
    }
}

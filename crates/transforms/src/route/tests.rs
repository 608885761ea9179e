//! Where `route` sends events, and what it refuses at check.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, TransformOutcome};

use crate::testing::{Files, apply, build, check, context, event, parse};

/// Neither in the order of the alphabet nor in the reverse.
fn routes() -> Value {
    json!([{ "mid": "event.n > 10" }, { "big": "event.n > 100" }, { "any": "event.n > 0" }])
}

/// Output and id of everything that becomes of events with these values of `n`.
async fn routed(options: Value, values: &[&str]) -> Vec<(usize, String)> {
    let transform = build("route", &options, &context()).await;
    let json = |value: &&str| format!("{{ \"n\": {value} }}");
    let batch: Vec<_> = values.iter().map(|value| event("x", "a", &json(value))).collect();
    let outcomes = apply(&*transform, batch).await;
    let tell = |(index, outcome): (usize, TransformOutcome)| {
        let told = match outcome {
            TransformOutcome::Emit(output, event) => {
                assert_eq!(event.json(), json(&values[index]), "every byte is kept");
                format!("{} {}", output.as_deref().unwrap_or("-"), event.meta().id)
            }
            TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
            TransformOutcome::Absorb => "absorbed".to_owned(),
            TransformOutcome::DeadLetter(event, reason, error) => {
                assert_eq!(event.json(), json(&values[index]));
                format!("{}: {}", reason.as_str(), error.message)
            }
        };
        (index, told)
    };
    outcomes.into_iter().map(tell).collect()
}

fn expected(outcomes: &[(usize, &str)]) -> Vec<(usize, String)> {
    outcomes.iter().map(|(index, told)| (*index, (*told).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_route_in_the_order_of_the_file_takes_the_event() {
    assert_eq!(
        routed(json!({ "routes": routes() }), &["500", "50", "1.10", "null"]).await,
        expected(&[(0, "mid x"), (1, "mid x"), (2, "any x"), (3, "- x")])
    );
    assert_eq!(
        routed(json!({ "routes": routes(), "mode": "first", "unmatched": "drop" }), &["null", "1"]).await,
        expected(&[(0, "unrouted"), (1, "any x")])
    );
}

#[tokio::test(start_paused = true)]
async fn all_routes_that_match_take_an_event_of_their_own() {
    assert_eq!(
        routed(json!({ "routes": routes(), "mode": "all" }), &["500", "1.10", "null"]).await,
        expected(&[
            (0, "mid x/mid/0"),
            (0, "big x/big/0"),
            (0, "any x/any/0"),
            (1, "any x/any/0"),
            (2, "- x")
        ])
    );
    assert_eq!(
        routed(json!({ "routes": routes(), "mode": "all", "unmatched": "drop" }), &["null"]).await,
        expected(&[(0, "unrouted")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_fails_is_a_dead_letter_and_nothing_else() {
    let failing = json!([{ "a": "true" }, { "b": "event.n.len() > 1" }, { "c": "event.n" }]);
    let found = routed(json!({ "routes": failing, "mode": "all" }), &["\"xy\"", "null"]).await;
    assert_eq!(found[0].1, "script: expected true or false, found text");
    assert!(found[1].1.starts_with("script: no function fits"), "{found:?}");
    assert_eq!(found.len(), 2);
    let not_asked = json!([{ "a": "event.n == 1 || true" }, { "b": "event.n.len() > 1" }]);
    assert_eq!(routed(json!({ "routes": not_asked }), &["null"]).await, expected(&[(0, "a x")]));
}

#[test]
fn names_conditions_and_the_shape_are_checked() {
    let files = Files(BTreeMap::new());
    assert_eq!(check("route", &json!({ "routes": routes() }), &files), []);
    for (routes, place, message) in [
        (json!([]), "routes", "expected at least one route"),
        (json!([{ "a": "true", "b": "true" }]), "routes[0]", "expected one name with its condition, found 2"),
        (json!([{}]), "routes[0]", "expected one name with its condition, found 0"),
        (json!([{ "main": "event.a" }]), "routes[0].main", "`main` is the output of what no route matches"),
        (json!([{ "a.b": "event.a" }]), "routes[0].a.b", "`a.b` cannot be the name of an output"),
        (json!([{ "": "event.a" }]), "routes[0].", "`` cannot be the name of an output"),
        (json!([{ "a": "event.a" }, { "a": "event.b" }]), "routes[1].a", "the route `a` is there twice"),
        (
            json!([{ "a": "true" }, { "b": "event.b" }]),
            "routes[1].b",
            "nothing ever gets here: `a` matches every",
        ),
        (json!([{ "a": "event.a" }, { "b": "event." }]), "routes[1].b", ""),
        (json!([{ "a": "5" }]), "routes[0].a", "expected a condition, found an integer"),
    ] {
        let problems = check("route", &json!({ "routes": routes }), &files);
        assert_eq!(problems.len(), 1, "{routes}: {problems:?}");
        assert_eq!(problems[0].path, place);
        assert!(problems[0].message.starts_with(message), "{}", problems[0].message);
    }
    let cx = CheckContext { files: &files, sources: &[] };
    let bad_names = json!({ "routes": [{ "main": "event.a" }, { "a.b": "event.a" }] });
    assert!(parse("route", &bad_names).outputs(&cx).is_empty(), "one complaint is enough");
    let all = json!({ "routes": [{ "a": "true" }, { "b": "event.b" }], "mode": "all" });
    assert_eq!(check("route", &all, &files), []);
    assert_eq!(parse("route", &json!({ "routes": routes() })).outputs(&cx), ["any", "big", "mid"]);
}

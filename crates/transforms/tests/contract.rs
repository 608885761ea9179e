//! The contract of transforms, kept by those that ship and ask nobody; those that remember included.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

use serde_json::{Value, json};
use sluicebox_contract::{NoFiles, Tally, context, event, transform};
use sluicebox_core::{Event, Registry, Timestamp, Transform};

/// Orders of some customers, a second apart, with what transforms stumble over among them.
fn events() -> Vec<Event> {
    let texts = [
        r#"{"customer":"a","price":1.5,"items":[{"n":1},{"n":2}]}"#,
        r#"{"customer":"b","price":2,"items":[]}"#,
        r#"{"customer":"a","price":"three","items":[{"n":3}]}"#,
        "{}",
        r#"{"customer":null,"price":-1,"items":"none"}"#,
        r#"{"customer":"a","price":1.5,"items":[{"n":1},{"n":2}]}"#,
        r#"{ "customer":"b" , "price":1e400,"items":[1] }"#,
        r#"{"customer":"c","price":7,"items":[{"n":4}]}"#,
    ];
    let events = (0..).zip(texts).map(|(second, text)| {
        let mut event = event(usize::try_from(second).unwrap(), text);
        event.meta_mut().time = Timestamp::from_millis(1_781_258_400_000 + 1000 * second);
        event
    });
    events.collect()
}

async fn proved(component_type: &str, options: Value) -> Tally {
    let mut registry = Registry::new();
    sluicebox_transforms::register(&mut registry);
    let build = async || -> Box<dyn Transform> {
        let spec = registry.transforms()[component_type].component.parse(options.clone()).unwrap();
        spec.build(&context("p", component_type), &NoFiles).await.unwrap()
    };
    transform(build, &events()).await
}

#[tokio::test(start_paused = true)]
async fn transforms_that_remember_nothing() {
    let all = [
        ("filter", json!({})),
        ("map", json!({ "set": { "double": "event.price * 2" }, "cast": { "customer": "text" } })),
        ("split", json!({ "path": "items", "keep": ["customer"] })),
        ("route", json!({ "routes": [{ "dear": "event.price > 1.7" }] })),
        ("redact", json!({ "paths": ["customer"], "how": "drop" })),
        ("rhai", json!({ "source": "if event.price > 1 { event.dear = true; }" })),
    ];
    for (component_type, options) in all {
        let tally = proved(component_type, options).await;
        assert_eq!((tally.events, tally.restarts), (8, 1), "{component_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn transforms_that_remember() {
    let all = [
        ("dedupe", json!({ "key": "event.customer", "within": "3s" })),
        (
            "window",
            json!({ "kind": "tumbling", "size": "2s", "key": "event.customer", "aggregates": { "orders": "count" } }),
        ),
    ];
    for (component_type, options) in all {
        let tally = proved(component_type, options).await;
        assert_eq!((tally.events, tally.restarts), (8, 8), "{component_type}");
    }
}

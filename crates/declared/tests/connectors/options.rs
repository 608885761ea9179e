//! The options of a connector as a pipeline sees them.

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Problem, Registry, SourceClass};
use sluicebox_testkit::NoFiles;

fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_declared::register(&mut registry);
    registry
}

fn problems(name: &str, options: Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()[name].parse(options).unwrap().check(&cx)
}

#[test]
fn a_connector_is_declared_like_a_built_in() {
    let registry = registry();
    let connector = &registry.sources()["opentrain_feed"];
    let schema = connector.schema.as_value();
    assert!(connector.summary().contains("OpenTrain"));
    assert!(schema["description"].as_str().unwrap().contains("https://app.opentrain.ai"));
    assert_eq!(schema["required"], json!(["token"]));
    assert_eq!(schema["properties"]["token"]["format"], "secret");
    assert_eq!(schema["properties"]["limit"]["maximum"], 200);
    assert_eq!(schema["properties"]["base_url"]["default"], "https://app.opentrain.ai/api/public/v1");
    assert_eq!(schema["properties"]["rate"]["default"], 60);
    assert_eq!(schema["examples"][0]["token"], "${OPENTRAIN_TOKEN}");
    assert!(schema["properties"].get("timeout").is_none());
    assert!(registry.sources()["zenzap_feed"].schema.as_value()["properties"].get("timeout").is_some());
}

#[test]
fn the_class_and_the_events_are_those_of_the_file() {
    let registry = registry();
    let class = |name: &str, options: Value| registry.sources()[name].parse(options).unwrap().class();
    assert_eq!(class("opentrain_feed", json!({ "token": "t" })), SourceClass::RetainedFeed);
    let zenzap = json!({ "client_id": "c", "client_secret": "s" });
    assert_eq!(class("zenzap_feed", zenzap), SourceClass::ConfirmOnRead);
    assert_eq!(registry.sources()["opentrain_feed"].events.len(), 1);
}

#[test]
fn faults_stay_at_the_options_that_users_see() {
    assert_eq!(problems("opentrain_feed", json!({ "token": "t", "limit": 5, "interval": "2s" })), []);
    let found = problems("opentrain_feed", json!({ "token": "t", "interval": "1ms" }));
    assert_eq!(found[0].path, "interval");
    let found = problems("opentrain_feed", json!({ "token": "t", "base_url": "http://api.example.com" }));
    assert_eq!(found[0].path, "base_url");
    let found = problems("zenzap_feed", json!({ "api_key": "k", "api_secret": "s", "limit": 0 }));
    assert_eq!(found[0].path, "limit");
}

#[test]
fn what_is_missing_or_unknown_is_refused() {
    let registry = registry();
    let refused = |name: &str, options: Value| registry.sources()[name].parse(options).err().unwrap().message;
    assert!(refused("opentrain_feed", json!({})).contains("`token`"));
    assert!(refused("opentrain_feed", json!({ "token": "t", "items": "x" })).contains("`items`"));
    let both = json!({ "api_key": "k", "api_secret": "s", "client_id": "c", "client_secret": "s" });
    assert!(!refused("zenzap_feed", both).is_empty());
}

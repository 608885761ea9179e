//! The options of a connector as a pipeline sees them.

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Problem, Registry, SourceClass};
use sluicebox_declared::Plugin;
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
}

/// `OPTION: MESSAGE` of why options are refused, or of the first problem that they have.
fn told(name: &str, options: Value) -> String {
    if let Err(problem) = registry().sources()[name].parse(options.clone()) {
        return format!("{}: {}", problem.path, problem.message);
    }
    let problem = problems(name, options).into_iter().next();
    problem.map_or("fine".to_owned(), |it| format!("{}: {}", it.path, it.message))
}

#[test]
fn credentials_are_told_of_in_the_words_of_the_connector() {
    let groups = "`api_key` and `api_secret`, or `client_id` and `client_secret`";
    let zenzap = |options: Value| told("zenzap_feed", options);
    assert_eq!(
        zenzap(json!({ "api_key": "k" })),
        "api_key: `api_secret` is missing: it belongs with `api_key`"
    );
    assert_eq!(zenzap(json!({})), format!(": expected {groups}, found none of them"));
    assert_eq!(
        zenzap(json!({ "api_key": "k", "api_secret": "s", "client_id": "c", "client_secret": "s" })),
        format!("client_id: `client_id` cannot be given beside `api_key`: expected {groups}")
    );
    let empty = "expected a text that is not empty, found an empty text";
    assert_eq!(zenzap(json!({ "api_key": "k", "api_secret": "" })), format!("api_secret: {empty}"));
    let from_file = json!({ "$secret": "", "$file": "/run/secrets/x" });
    assert_eq!(zenzap(json!({ "api_key": "k", "api_secret": from_file })), format!("api_secret: {empty}"));
    assert_eq!(zenzap(json!({ "client_id": "c", "client_secret": "s" })), "fine");
    let couch = |more: Value| {
        let mut options = json!({ "url": "https://couch.example.com/x" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told("couchdb_changes", options)
    };
    assert_eq!(
        couch(json!({ "username": "u" })),
        "username: `password` is missing: it belongs with `username`"
    );
    assert_eq!(couch(json!({})), "fine");
}

#[test]
fn faults_of_values_are_told_at_the_parameters_that_they_came_of() {
    let address = "expected an address like `https://api.example.com`, with its scheme and host";
    let zulip = json!({ "server": "zulip.example.com", "email": "a@example.com", "api_key": "k" });
    assert_eq!(told("zulip_messages", zulip), format!("server: {address}"));
    let couch = json!({ "url": "http://couch.example.com/x" });
    assert!(told("couchdb_changes", couch).starts_with("url: plain http"));
    let knob = json!({ "url": "https://couch.example.com/x", "base_url": "couch.example.com" });
    assert_eq!(told("couchdb_changes", knob), format!("base_url: {address}"));
    let empty = "of: expected a text that is not empty, found an empty text";
    assert_eq!(told("github_events", json!({ "of": "" })), empty);
    let part = told("github_events", json!({ "of": "orgs/acme?page=2" }));
    assert_eq!(part, "of: in the connector `github_events`, `request.path`: a path must not hold `?` or `#`");
    let colon = json!({ "url": "https://couch.example.com/x", "username": "a:b", "password": "p" });
    assert!(told("couchdb_changes", colon).starts_with("username: a user name"));
}

#[test]
fn a_connector_that_declares_no_groups_tells_what_belongs_together_all_the_same() {
    let text = include_str!("../../../../plugins/http/zenzap_feed.yaml");
    let without = text.replace("either: [[api_key, api_secret], [client_id, client_secret]]\n", "");
    assert_ne!(text, without);
    let mut registry = Registry::new();
    Plugin::read("zenzap_feed.yaml", &without).unwrap().register(&mut registry);
    let refused = |options: Value| {
        let problem = registry.sources()["zenzap_feed"].parse(options).err().unwrap();
        format!("{}: {}", problem.path, problem.message)
    };
    assert_eq!(
        refused(json!({ "api_key": "k" })),
        "api_key: `api_secret` is missing: it belongs with `api_key`"
    );
    assert_eq!(
        refused(json!({ "client_secret": "s" })),
        "client_secret: `client_id` is missing: it belongs with `client_secret`"
    );
    assert_eq!(
        refused(json!({ "api_key": "k", "api_secret": "s", "client_id": "c", "client_secret": "s" })),
        "api_key: in the connector `zenzap_feed`, `auth` (made of `api_key`, `api_secret`, `client_id`, \
         `client_secret`): only one way is possible"
    );
}

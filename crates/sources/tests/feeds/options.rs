//! What `check` finds in the options of the sources.

use serde_json::{Value, json};

use crate::support::{parse_error, problems};

fn paths(source_type: &str, options: Value) -> Vec<String> {
    problems(source_type, options).into_iter().map(|problem| problem.path).collect()
}

fn with(base: &Value, more: &Value) -> Value {
    let mut options = base.clone();
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

#[test]
fn good_options_have_no_problems() {
    let oauth = json!({ "oauth": { "client_id": "b@1", "client_secret": "s" } });
    for (source_type, options) in [
        ("opentrain_updates", json!({ "token": "t" })),
        (
            "opentrain_updates",
            json!({ "auth": { "bearer": "t" }, "base_url": "http://127.0.0.1:1/api/public/v1" }),
        ),
        (
            "opentrain_updates",
            json!({ "token": "t", "start": { "cursor": "1041" }, "rate": "unlimited", "limit": 200 }),
        ),
        (
            "zenzap_updates",
            json!({ "auth": oauth, "timeout": "0s", "limit": 100, "base_url": "http://localhost:1/" }),
        ),
        ("opentrain_job_changes", json!({})),
        ("stdin", json!({ "event": { "time": "at" } })),
        ("file", json!({ "path": "logs/**/[ab]-*.csv.gz", "delimiter": ";", "event": { "type": "a.b" } })),
        (
            "opentrain_job_changes",
            json!({ "start": { "cursor": "2026-06-12T00:00:00+02:00" }, "base_url": "http://127.0.0.1:1/api" }),
        ),
        ("generate", json!({ "count": 3, "fields": { "a": 1 } })),
    ] {
        assert_eq!(paths(source_type, options.clone()), Vec::<String>::new(), "{options}");
    }
}

#[test]
fn every_fault_is_found_at_its_place() {
    let token = json!({ "token": "t" });
    let key = json!({ "auth": { "api_key": { "key": "k", "secret": "s" } } });
    for (source_type, base, more, path) in [
        ("opentrain_updates", &json!({}), json!({}), ""),
        ("opentrain_updates", &token, json!({ "auth": { "bearer": "t" } }), "auth"),
        ("opentrain_updates", &json!({}), key.clone(), "auth"),
        ("opentrain_updates", &json!({}), json!({ "auth": { "webhook": { "secret": "s" } } }), "auth"),
        ("opentrain_updates", &token, json!({ "limit": 0 }), "limit"),
        ("opentrain_updates", &token, json!({ "limit": 201 }), "limit"),
        ("opentrain_updates", &token, json!({ "interval": "500ms" }), "interval"),
        ("opentrain_updates", &token, json!({ "start": { "cursor": "x" } }), "start.cursor"),
        ("opentrain_updates", &token, json!({ "base_url": "http://app.opentrain.ai" }), "base_url"),
        ("zenzap_updates", &key, json!({ "base_url": "https://proxy.example/zenzap" }), "base_url"),
        ("zenzap_updates", &key, json!({ "limit": 101 }), "limit"),
        ("zenzap_updates", &key, json!({ "timeout": "31s" }), "timeout"),
        ("zenzap_updates", &key, json!({ "timeout": "1500ms" }), "timeout"),
        ("zenzap_updates", &key, json!({ "auth": { "same_as": "other" } }), "auth.same_as"),
        (
            "zenzap_updates",
            &key,
            json!({ "auth": { "webhook": { "secret": "whsec_AAAA" } } }),
            "auth.webhook",
        ),
        (
            "zenzap_updates",
            &key,
            json!({ "auth": { "basic": { "username": "u", "password": "p" } } }),
            "auth.basic",
        ),
        (
            "zenzap_updates",
            &key,
            json!({ "auth": { "header": { "name": "X-Key", "value": "v" } } }),
            "auth.header",
        ),
        (
            "zenzap_updates",
            &key,
            json!({ "auth": { "oauth": { "client_id": "b@1", "client_secret": "s", "token_url": "x" } } }),
            "auth",
        ),
        ("opentrain_job_changes", &json!({}), json!({ "interval": "10ms" }), "interval"),
        ("opentrain_job_changes", &json!({}), json!({ "start": { "cursor": "1041" } }), "start.cursor"),
        ("opentrain_job_changes", &json!({}), json!({ "base_url": "http://app.opentrain.ai" }), "base_url"),
        ("file", &json!({}), json!({ "path": "" }), "path"),
        ("file", &json!({}), json!({ "path": "a[b" }), "path"),
        ("file", &json!({ "path": "a.jsonl" }), json!({ "delimiter": ";" }), "delimiter"),
        ("file", &json!({ "path": "a.csv" }), json!({ "delimiter": "→" }), "delimiter"),
        ("file", &json!({ "path": "a" }), json!({ "interval": "1ms" }), "interval"),
        ("file", &json!({ "path": "a" }), json!({ "max_files": 0 }), "max_files"),
        ("file", &json!({ "path": "a" }), json!({ "max_line": "512MiB" }), "max_line"),
        ("file", &json!({ "path": "a" }), json!({ "event": { "type": "a..b" } }), "event.type"),
        ("stdin", &json!({}), json!({ "max_line": "1GiB" }), "max_line"),
        ("stdin", &json!({}), json!({ "event": { "time": "" } }), "event.time"),
        ("generate", &json!({}), json!({ "rate": 0 }), "rate"),
        ("generate", &json!({}), json!({ "fields": { "type": "x" } }), "fields.type"),
    ] {
        assert_eq!(paths(source_type, with(base, &more)), [path], "{source_type} {more}");
    }
}

#[test]
fn unknown_options_are_refused() {
    assert!(
        parse_error("opentrain_updates", json!({ "token": "t", "timeout": "5s" }))
            .unwrap()
            .contains("timeout")
    );
    assert!(parse_error("zenzap_updates", json!({ "token": "t" })).is_some());
    assert!(parse_error("opentrain_job_changes", json!({ "token": "t" })).unwrap().contains("token"));
    assert!(parse_error("generate", json!({ "counts": 1 })).is_some());
}

#[test]
fn every_option_is_described_and_every_default_is_a_good_value() {
    let mut registry = sluicebox_core::Registry::new();
    sluicebox_sources::register(&mut registry);
    for source_type in registry.sources().values() {
        assert!(!source_type.summary().is_empty(), "{}", source_type.name);
        let options = source_type.schema.get("properties").unwrap().as_object().unwrap();
        let mut defaults = serde_json::Map::new();
        for (name, option) in options {
            assert!(option.get("description").is_some(), "{}.{name}", source_type.name);
            let default = option.get("default").filter(|default| !default.is_null());
            defaults.extend(default.map(|default| (name.clone(), default.clone())));
        }
        let credentials = match source_type.name {
            "opentrain_updates" => json!({ "token": "t" }),
            "zenzap_updates" => json!({ "auth": { "bearer": "t" } }),
            "webhook" => json!({
                "listen": "127.0.0.1:0", "path": "/a", "scheme": "stripe", "secrets": ["s"]
            }),
            "file" => json!({ "path": "x.jsonl" }),
            "matrix_sync" => json!({ "base_url": "https://hs.example.org", "token": "t" }),
            _ => json!({}),
        };
        assert_eq!(paths(source_type.name, with(&defaults.into(), &credentials)), Vec::<String>::new());
    }
}

//! Every type of the catalogue against the events of the emulator, which knows the contracts and nothing of the
//! catalogue: each event is valid, and each of its fields is known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test")]

mod validator;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluicebox_catalogue::{Catalogue, Found, Step};
use sluicebox_emulator::{Api, events};

/// Enough that everything has happened.
const EVENTS: u64 = 4_000;

/// What the emulator sends although no contract names it, so that clients prove that they pass it on.
const UNNAMED_TYPES: [&str; 3] = ["call.ended", "contract.document_signed", "topic.archived"];
const UNNAMED_FIELDS: [&str; 2] = ["environment", "schemaRevision"];

/// Events of three accounts by type.
fn sent(api: Api, type_field: &str) -> BTreeMap<String, Vec<Value>> {
    let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for text in (0..3).flat_map(|account| events(api, 7, account, 0..EVENTS)) {
        let event: Value = serde_json::from_slice(&text).unwrap();
        sent.entry(event[type_field].as_str().unwrap().to_owned()).or_default().push(event);
    }
    sent
}

/// Paths of an event that the catalogue does not know.
fn unknown_fields(catalogue: &Catalogue, event_type: &str, event: &Value) -> BTreeSet<String> {
    fn walk<'v>(value: &'v Value, path: &mut Vec<Step<'v>>, on_leaf: &mut dyn FnMut(&[Step<'v>])) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                path.push(Step::Name(name));
                walk(value, path, on_leaf);
                path.pop();
            }),
            Value::Array(items) => items.iter().for_each(|item| {
                path.push(Step::Item);
                walk(item, path, on_leaf);
                path.pop();
            }),
            _ => on_leaf(path),
        }
    }
    let shape = catalogue.event_type(event_type).unwrap();
    let mut unknown = BTreeSet::new();
    walk(event, &mut Vec::new(), &mut |path| {
        if let Found::Unknown { at, .. } = shape.field(path) {
            unknown.insert(format!("{:?}", &path[..=at]));
        }
    });
    unknown
}

#[track_caller]
fn agree(api: Api) {
    let catalogue = Catalogue::of_api(&api.to_string()).unwrap();
    let sent = sent(api, catalogue.type_field());
    for (event_type, _) in catalogue.event_types() {
        assert!(sent.contains_key(event_type), "no event has the type {event_type}");
        let validator = validator::Validator::of(&api.to_string(), event_type);
        let mut unnamed = BTreeSet::new();
        for event in &sent[event_type] {
            validator.check(event).unwrap_or_else(|error| panic!("{event_type}: {error} in {event}"));
            unnamed.append(&mut unknown_fields(catalogue, event_type, event));
        }
        let allowed = UNNAMED_FIELDS.map(|name| format!("{:?}", [Step::Name(name)]));
        unnamed.retain(|path| !allowed.contains(path));
        assert_eq!(unnamed, BTreeSet::new(), "{event_type}");
    }
    let unnamed: Vec<&String> = sent.keys().filter(|name| catalogue.event_type(name).is_none()).collect();
    assert!(unnamed.iter().all(|name| UNNAMED_TYPES.contains(&name.as_str())), "{unnamed:?}");
}

#[test]
fn the_marketplace_sends_what_the_catalogue_says() {
    agree(Api::OpenTrain);
}

#[test]
fn the_team_chat_sends_what_the_catalogue_says() {
    agree(Api::Zenzap);
}

#[test]
fn the_validator_refuses_what_the_contract_forbids() {
    let validator = validator::Validator::of("zenzap", "reaction.added");
    let event = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let id = "550e8400-e29b-41d4-a716-446655440000";
    let data = format!(r#"{{"messageId":"{id}","topicId":"{id}","emoji":"e","userId":"u","new":1}}"#);
    let right = format!(r#"{{"updateId":"u","eventType":"reaction.added","createdAt":1,"data":{data}}}"#);
    validator.check(&event(&right)).unwrap();
    for (from, to, why) in [
        ("\"createdAt\":1", "\"createdAt\":\"1\"", "/createdAt: expected integer"),
        ("reaction.added", "reaction.adde", "/eventType: expected \"reaction.added\""),
        ("\"emoji\":\"e\",", "", "/data: `emoji` is missing"),
        ("550e8400-", "", "/data/messageId: expected \"uuid\""),
    ] {
        assert_eq!(validator.check(&event(&right.replace(from, to))).unwrap_err(), why);
    }
}

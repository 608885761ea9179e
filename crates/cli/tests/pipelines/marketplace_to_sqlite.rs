//! `marketplace-to-sqlite`: rows read back through SQLite's own library, the archive byte for byte.

use rusqlite::Connection;
use serde_json::{Map, Value, json};
use sluicebox_emulator::Api;

use crate::scene::{SAMPLE, Scene, events};

/// Rows of the warehouse in the order of their arrival.
fn warehouse(scene: &Scene) -> Vec<Map<String, Value>> {
    let connection = Connection::open(scene.data("warehouse.db")).unwrap();
    let mut query = connection.prepare("SELECT * FROM marketplace_events ORDER BY rowid").unwrap();
    let names: Vec<String> = query.column_names().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        let cells = names.iter().enumerate().map(|(at, name)| {
            let cell = match row.get(at)? {
                rusqlite::types::Value::Null => Value::Null,
                rusqlite::types::Value::Integer(number) => number.into(),
                rusqlite::types::Value::Real(number) => number.into(),
                rusqlite::types::Value::Text(text) => text.into(),
                rusqlite::types::Value::Blob(_) => unreachable!("no column holds bytes"),
            };
            Ok((name.clone(), cell))
        });
        cells.collect::<rusqlite::Result<Map<String, Value>>>()
    };
    query.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn is_money(event: &Value) -> bool {
    let event_type = event["type"].as_str().unwrap_or_default();
    matches!(event_type, "contract.created" | "contract.budget_state_changed")
        || ["milestone.", "payment."].iter().any(|prefix| event_type.starts_with(prefix))
}

/// What `rules/judge.rhai` is meant to say, told independently.
fn judged(event: &Value) -> (Value, Value) {
    let contract = &event["contract"];
    let milestones = contract["milestones"].as_array().cloned().unwrap_or_default();
    let milestone = milestones.iter().find(|milestone| milestone["id"] == event["data"]["milestoneId"]);
    let is_new = event["type"] == "contract.created";
    let amount = match milestone {
        _ if is_new => contract["estimatedTotalUsd"].as_f64(),
        milestone => milestone.and_then(|milestone| milestone["amountUsd"].as_f64()),
    };
    let attention = if event["data"]["state"] == "DEPLETED" {
        json!("the budget is used up")
    } else if is_new && contract["rateUsd"].as_f64() > Some(500.0) {
        json!("an expensive contract")
    } else if event["type"] == "payment.pending" && amount > Some(2000.0) {
        json!("a large payment waits")
    } else {
        Value::Null
    };
    (json!(amount), attention)
}

fn assert_warehouse_holds(rows: &[Map<String, Value>], truth: &str) {
    let wanted: Vec<Value> = events(truth).into_iter().filter(is_money).collect();
    let ids = |id: &Value| format!("opentrain:marketplace:{}", id.as_str().unwrap());
    let wanted_ids: Vec<String> = wanted.iter().map(|event| ids(&event["id"])).collect();
    let row_ids: Vec<&str> = rows.iter().map(|row| row["event_id"].as_str().unwrap()).collect();
    assert_eq!(row_ids, wanted_ids, "each event of the filter once, in the order of the feed");
    for (row, upstream) in rows.iter().zip(&wanted) {
        let event: Value = serde_json::from_str(row["event"].as_str().unwrap()).unwrap();
        assert_eq!(row["looked_up"], "ok", "{row:?}");
        assert_eq!(event["contract"]["id"], upstream["data"]["contractId"], "enriched by its own contract");
        assert_eq!(row["contract_title"], event["contract"]["title"]);
        assert_eq!(row["rate_usd"].as_f64(), event["contract"]["rateUsd"].as_f64());
        let (amount, attention) = judged(&event);
        assert_eq!(row["amount_usd"], amount, "{row:?}");
        assert_eq!(row["attention"], attention, "{row:?}");
        let mut bare = event;
        for added in ["contract", "amount_usd", "attention"] {
            bare.as_object_mut().unwrap().remove(added);
        }
        assert_eq!(&bare, upstream, "nothing else has changed");
    }
}

#[test]
fn the_marketplace_lands_enriched_and_judged_and_only_once() {
    let scene = Scene::new("marketplace-to-sqlite", Api::OpenTrain, 1500);
    scene.run();
    let rows = warehouse(&scene);
    assert_warehouse_holds(&rows, &scene.truth());
    for word in ["the budget is used up", "an expensive contract", "a large payment waits"] {
        assert!(rows.iter().any(|row| row["attention"] == word), "no event shows whether `{word}` works");
    }
    assert!(rows.iter().any(|row| row["attention"].is_null()));
    let archive = || std::fs::read_to_string(scene.data("marketplace.jsonl")).unwrap();
    assert!(archive() == scene.truth(), "the archive holds every event byte for byte");

    scene.run();
    assert_eq!(warehouse(&scene), rows, "a second run has nothing to do");

    scene.feed.append(0, 300);
    scene.run();
    assert_warehouse_holds(&warehouse(&scene), &scene.truth());
    assert!(archive() == scene.truth());
}

#[test]
fn the_marketplace_leaves_what_lies_beside_it() {
    let scene = Scene::new("marketplace-to-sqlite", Api::OpenTrain, SAMPLE);
    scene.run();
    scene.assert_lies_beside("sample/events.jsonl", &scene.truth());
    let rows = warehouse(&scene);
    let lines = rows.into_iter().map(|row| Value::Object(row).to_string() + "\n");
    scene.assert_lies_beside("expected/marketplace_events.jsonl", &lines.collect::<String>());
    let archive = std::fs::read_to_string(scene.data("marketplace.jsonl")).unwrap();
    scene.assert_lies_beside("expected/marketplace.jsonl", &archive);
}

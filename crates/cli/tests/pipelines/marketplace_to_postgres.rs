//! `marketplace-to-postgres`: rows read back with psql, compared with the feed and its contracts.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluicebox_emulator::Api;
use sluicebox_services::Postgres;

use crate::contracts::Contracts;
use crate::scene::{Scene, events};

/// Enough events for a field that was not there before.
const SAMPLE: u64 = 80;

/// The pipeline with a schema of its own.
struct Loading {
    scene: Scene,
    server: Postgres,
    schema: String,
}

impl Loading {
    fn new(events: u64) -> Option<Self> {
        let server = Postgres::shared()?;
        let mut scene = Scene::new("marketplace-to-postgres", Api::OpenTrain, events);
        let schema = scene.unique_name();
        server.psql(&format!("CREATE SCHEMA {schema}"));
        scene.sandbox.set("DATABASE_URL", server.url());
        scene.sandbox.set("DATABASE_SCHEMA", &schema);
        Some(Self { scene, server, schema })
    }

    /// Rows as JSON, in the order of the feed, without the columns that tell the time of this run.
    fn rows(&self) -> Vec<Value> {
        let all =
            format!("SELECT row_to_json(e) FROM {}.marketplace_events e ORDER BY id::bigint", self.schema);
        let mut rows = events(&self.server.psql(&all));
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            row.retain(|name, _| name != "_received_at" && name != "_loaded_at");
        }
        rows
    }

    /// Reasons and events of what was put aside.
    fn troubles(&self) -> Vec<(Value, Value)> {
        let all =
            format!("SELECT row_to_json(t) FROM {}.marketplace_troubles t ORDER BY failed_at", self.schema);
        let rows = events(&self.server.psql(&all));
        rows.into_iter().map(|row| (row["reason"].clone(), row["event"]["id"].clone())).collect()
    }

    /// The events that are meant to become rows.
    fn wanted(&self) -> Vec<Value> {
        let is_wanted = |event: &Value| {
            let event_type = event["type"].as_str().unwrap_or_default();
            ["contract.", "milestone.", "payment."].iter().any(|prefix| event_type.starts_with(prefix))
        };
        events(&self.scene.truth()).into_iter().filter(is_wanted).collect()
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.server.psql(&format!("SET client_min_messages = error; DROP SCHEMA {} CASCADE", self.schema));
    }
}

/// What `rules/flat.rhai` is meant to make of an event, told independently.
fn row(event: &Value, contracts: &mut Contracts<'_>) -> Value {
    let is_new = event["type"] == "contract.created";
    let milestone = contracts.milestone(event);
    let contract = contracts.contract(event);
    let amount = match milestone {
        _ if is_new => contract["estimatedTotalUsd"].clone(),
        milestone => milestone.map_or(Value::Null, |milestone| milestone["amountUsd"].clone()),
    };
    let is_large = event["type"] == "payment.pending" && amount.as_f64() > Some(2000.0);
    json!({
        "_event_id": format!("opentrain:marketplace:{}", event["id"].as_str().unwrap()),
        "_type": event["type"],
        "type": event["type"],
        "data": event["data"],
        "jobId": event["jobId"],
        "environment": event["environment"],
        "contract_id": event["data"]["contractId"],
        "contract_title": contract["title"],
        "freelancer": contract["freelancer"]["displayName"],
        "payment_type": contract["paymentType"],
        "rate_usd": contract["rateUsd"],
        "amount_usd": amount,
        "needs_attention": event["data"]["state"] == "DEPLETED" || is_large,
    })
}

/// Whether a value of a row says the same as it was meant to; numbers by value.
fn is_same(found: &Value, wanted: &Value) -> bool {
    found == wanted || (found.is_number() && found.as_f64() == wanted.as_f64())
}

fn ids(events: &[Value]) -> Vec<Value> {
    events.iter().map(|event| event["id"].clone()).collect()
}

#[test]
fn the_marketplace_lands_in_a_table_that_grows_and_only_once() {
    let Some(loading) = Loading::new(1500) else { return };
    let scene = &loading.scene;
    scene.check();
    scene.run();
    let (rows, wanted) = (loading.rows(), loading.wanted());
    assert_eq!(ids(&rows), ids(&wanted), "each event of the filter once");
    let mut contracts = Contracts::of(scene);
    for (found, event) in rows.iter().zip(&wanted) {
        for (name, value) in row(event, &mut contracts).as_object().unwrap() {
            assert!(is_same(&found[name], value), "{name}: expected {value} in {found}");
        }
    }
    assert!(rows.iter().any(|row| row["needs_attention"] == true));
    let unannounced = rows.iter().filter(|row| row["environment"].is_string()).count();
    assert!((1..rows.len()).contains(&unannounced), "a field that comes now and then has a column");

    scene.run();
    assert_eq!(loading.rows(), rows, "a second run has nothing to do");
    scene.feed.append(0, 300);
    scene.run();
    assert_eq!(ids(&loading.rows()), ids(&loading.wanted()));
    assert_eq!(loading.troubles(), []);
}

#[test]
fn what_cannot_be_looked_up_is_a_row_of_the_other_table() {
    let Some(loading) = Loading::new(200) else { return };
    loading.scene.feed.fault("lookup:status=404@2");
    loading.scene.run();
    let troubles = loading.troubles();
    assert!(!troubles.is_empty());
    assert!(troubles.iter().all(|(reason, _)| reason == "lookup"), "{troubles:?}");
    let aside: BTreeSet<String> = troubles.iter().map(|(_, id)| id.to_string()).collect();
    assert_eq!(aside.len(), troubles.len());
    let others = |events: Vec<Value>| {
        ids(&events).into_iter().filter(|id| !aside.contains(&id.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&loading.rows()), others(loading.wanted()), "the others went on");
}

#[test]
fn the_table_holds_what_lies_beside_the_pipeline() {
    let Some(loading) = Loading::new(SAMPLE) else { return };
    loading.scene.run();
    loading.scene.assert_lies_beside("sample/events.jsonl", &loading.scene.truth());
    let lines = loading.rows().into_iter().map(|row| row.to_string() + "\n");
    loading.scene.assert_lies_beside("expected/marketplace_events.jsonl", &lines.collect::<String>());
    let columns = loading.server.psql(&format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = '{}' AND table_name = 'marketplace_events' ORDER BY ordinal_position",
        loading.schema
    ));
    loading.scene.assert_lies_beside("expected/columns.txt", &(columns.replace('|', " ") + "\n"));
}

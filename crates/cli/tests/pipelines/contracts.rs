//! What the marketplace says of a contract now, asked past the pipeline.

use std::collections::HashMap;

use serde_json::Value;
use sluicebox_testkit::request;

use crate::scene::Scene;

/// Contracts by id, each asked for once.
pub(crate) struct Contracts<'s> {
    scene: &'s Scene,
    known: HashMap<String, Value>,
}

impl<'s> Contracts<'s> {
    pub(crate) fn of(scene: &'s Scene) -> Self {
        Self { scene, known: HashMap::new() }
    }

    /// The contract that an event is about.
    pub(crate) fn contract(&mut self, event: &Value) -> &Value {
        let id = event["data"]["contractId"].as_str().unwrap();
        if !self.known.contains_key(id) {
            let feed = &self.scene.feed;
            let bearer = format!("Authorization: Bearer {}", feed.credential(0, "token"));
            let answer = request("GET", &format!("{}/contracts/{id}", feed.url()), &[&bearer], "").unwrap();
            self.known.insert(id.to_owned(), answer.json()["contract"].clone());
        }
        &self.known[id]
    }

    /// The milestone that an event is about, if its contract has it.
    pub(crate) fn milestone(&mut self, event: &Value) -> Option<Value> {
        let milestones = self.contract(event)["milestones"].as_array().cloned().unwrap_or_default();
        milestones.into_iter().find(|milestone| milestone["id"] == event["data"]["milestoneId"])
    }
}

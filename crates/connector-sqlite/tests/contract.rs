//! The contract of transactional sinks, kept by `sqlite`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod support;

use async_trait::async_trait;
use serde_json::json;
use sluicebox_contract::{Warehouse, event, transactional_sink};
use sluicebox_core::{Event, TransactionalSink};

struct Table(tempfile::TempDir);

#[async_trait]
impl Warehouse for Table {
    async fn sink(&mut self) -> Box<dyn TransactionalSink> {
        let number = json!({ "value": "event.number", "type": "integer" });
        support::sink(self.0.path(), json!({ "columns": { "number": number } })).await
    }

    async fn rows(&mut self) -> Vec<String> {
        support::select(self.0.path(), "SELECT number FROM events ORDER BY rowid")
    }

    fn expected(&self, event: &Event) -> String {
        let json: serde_json::Value = serde_json::from_slice(&event.json()).unwrap();
        json["number"].to_string()
    }

    fn refused(&self) -> Option<Event> {
        Some(event(0, "{\"number\":\"no number\"}"))
    }
}

#[tokio::test]
async fn sqlite() {
    let tally = transactional_sink(&mut Table(tempfile::tempdir().unwrap())).await;
    assert_eq!((tally.events, tally.restarts, tally.faults), (9, 2, 1), "{tally}");
}

//! The contract of sinks, kept by `csv`.

use async_trait::async_trait;
use sluicebox_contract::Shelf;
use sluicebox_core::{BuiltSink, Event, Sink, SinkSpec};

use crate::csv::CsvSpec;

struct File(tempfile::TempDir);

#[async_trait]
impl Shelf for File {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let options = serde_json::json!({ "path": self.0.path().join("out.csv"), "fields": ["/number"] });
        let spec: CsvSpec = serde_json::from_value(options).unwrap();
        match spec.build(&sluicebox_contract::context("orders", "table")).await.unwrap() {
            BuiltSink::Plain(sink) => sink,
            _ => unreachable!("`csv` is a plain sink"),
        }
    }

    async fn arrived(&mut self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("out.csv")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn expected(&self, event: &Event) -> String {
        let json: serde_json::Value = serde_json::from_slice(&event.json()).unwrap();
        json["number"].to_string()
    }

    fn refused(&self) -> Option<Event> {
        Some(sluicebox_contract::event(0, r#"{"number":[1,2]}"#))
    }
}

#[tokio::test]
async fn csv_keeps_the_contract_of_sinks() {
    let tally = sluicebox_contract::sink(&mut File(tempfile::tempdir().unwrap())).await;
    assert_eq!((tally.events, tally.restarts), (20, 1), "{tally}");
}

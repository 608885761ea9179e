//! The contract of sinks that write, kept by `file` in every form that readers see at once.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

use std::io::Read;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluicebox_contract::{MarkedShelf, Shelf, context, event, resumable_sink, sink};
use sluicebox_core::{BuiltSink, Context, Delivery, Event, Registry, ResumableSink, Sink};

/// A file of one form.
struct File {
    folder: tempfile::TempDir,
    name: &'static str,
    options: Value,
}

impl File {
    fn new(name: &'static str, options: Value) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), name, options }
    }
}

#[async_trait]
impl Shelf for File {
    async fn sink(&mut self) -> Box<dyn Sink> {
        match self.built(Delivery::AtLeastOnce).await {
            BuiltSink::Plain(sink) => sink,
            _ => unreachable!("at least once"),
        }
    }

    async fn arrived(&mut self) -> Vec<String> {
        self.lines()
    }

    fn expected(&self, event: &Event) -> String {
        let text = String::from_utf8(event.json().to_vec()).unwrap();
        if !self.is_table() {
            return text;
        }
        let json: Value = serde_json::from_str(&text).unwrap();
        json["number"].to_string()
    }

    /// With cells, one that cannot be a number.
    fn refused(&self) -> Option<Event> {
        self.is_table().then(|| event(0, "{\"number\":\"no number\"}"))
    }
}

#[async_trait]
impl MarkedShelf for File {
    async fn sink(&mut self) -> Box<dyn ResumableSink> {
        match self.built(Delivery::ExactlyOnce).await {
            BuiltSink::Resumable(sink) => sink,
            _ => unreachable!("exactly once"),
        }
    }

    async fn arrived(&mut self) -> Vec<String> {
        self.lines()
    }

    fn expected(&self, event: &Event) -> String {
        Shelf::expected(self, event)
    }
}

impl File {
    async fn built(&self, delivery: Delivery) -> BuiltSink {
        let mut registry = Registry::new();
        sluicebox_sinks::register(&mut registry);
        let mut options = self.options.clone();
        options["path"] = json!(self.folder.path().join(self.name).to_str().unwrap());
        let cx = Context { delivery, ..context("p", "out") };
        registry.sinks()["file"].parse(options).unwrap().build(&cx).await.unwrap()
    }

    /// What the file holds, without its header.
    fn lines(&self) -> Vec<String> {
        let bytes = std::fs::read(self.folder.path().join(self.name)).unwrap_or_default();
        if bytes.is_empty() {
            return Vec::new();
        }
        let mut text = String::new();
        if self.options.get("compression").is_some() {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        let header = usize::from(self.is_table());
        text.lines().skip(header).map(str::to_owned).collect()
    }

    fn is_table(&self) -> bool {
        self.options.get("columns").is_some()
    }
}

#[tokio::test]
async fn lines() {
    assert_eq!(sink(&mut File::new("out.jsonl", json!({}))).await.events, 16);
}

#[tokio::test]
async fn packed_lines() {
    let tally = sink(&mut File::new("out.jsonl.gz", json!({ "compression": "gzip" }))).await;
    assert_eq!(tally.events, 16);
}

#[tokio::test]
async fn rows() {
    let number = json!({ "value": "event.number", "type": "integer" });
    let options = json!({ "format": "csv", "columns": { "number": number } });
    assert_eq!(sink(&mut File::new("out.csv", options)).await.events, 20);
}

#[tokio::test]
async fn exact_files_of_each_form() {
    let number = json!({ "value": "event.number", "type": "integer" });
    let forms = [
        ("out.jsonl", json!({})),
        ("out.jsonl.gz", json!({ "compression": "gzip" })),
        ("out.csv", json!({ "format": "csv", "columns": { "number": number } })),
    ];
    for (name, options) in forms {
        assert_eq!(resumable_sink(&mut File::new(name, options)).await.restarts, 10, "{name}");
    }
}

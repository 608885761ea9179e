//! The contract of sources, kept by made-up events and by files on a real disk; the feeds of APIs keep it in `suite`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

use async_trait::async_trait;
use serde_json::{Value, json};
use sluicebox_contract::{Upstream, source};
use sluicebox_core::{Context, Registry, Source};

async fn build(source_type: &str, options: Value, cx: &Context) -> Box<dyn Source> {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    registry.sources()[source_type].parse(options).unwrap().build(cx).await.unwrap().into_single().unwrap()
}

fn account() -> Context {
    Context { account: "acme".into(), ..sluicebox_contract::context("p", "feed") }
}

/// A source that needs nothing but its options.
struct Plain {
    source_type: &'static str,
    options: Value,
}

#[async_trait]
impl Upstream for Plain {
    async fn source(&mut self) -> Box<dyn Source> {
        build(self.source_type, self.options.clone(), &account()).await
    }
}

#[tokio::test(start_paused = true)]
async fn generate() {
    let options = json!({ "count": 23, "rate": 50 });
    let tally = source(&mut Plain { source_type: "generate", options }).await;
    assert_eq!((tally.events, tally.pages, tally.restarts), (23, 5, 10), "{tally}");
}

#[tokio::test]
async fn file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("a.jsonl", 1200), ("b.jsonl", 3)] {
        let line = |number: usize| format!("{{\"number\":{number}}}\n");
        let text: String = (0..count).map(line).collect::<String>() + "no event\n";
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for tail in [true, false] {
        let options = json!({ "path": folder.path().join("*.jsonl"), "tail": tail, "interval": "10ms" });
        let tally = source(&mut Plain { source_type: "file", options }).await;
        assert_eq!(tally.events, 1205, "{tally}");
        assert!(tally.pages > 1, "{tally}");
    }
}

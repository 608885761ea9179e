//! Sources of this crate over scripted answers, and the pages that they are given.

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Context, Problem, Registry, Source};
use sluicebox_testkit::NoFiles;
pub(crate) use sluicebox_testkit::scripted::{Reply, Scripted, context, in_turn};

fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

/// Builds a source from its options.
pub(crate) async fn source(source_type: &str, options: Value, cx: &Context) -> Box<dyn Source> {
    registry().sources()[source_type].parse(options).unwrap().build(cx).await.unwrap().into_single().unwrap()
}

/// What `check` finds in the options of a source.
pub(crate) fn problems(source_type: &str, options: Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()[source_type].parse(options).unwrap().check(&cx)
}

/// Whether the declaration refuses the options.
pub(crate) fn parse_error(source_type: &str, options: Value) -> Option<String> {
    registry().sources()[source_type].parse(options).err().map(|problem| problem.message)
}

fn opentrain_event(id: u64) -> Value {
    json!({
        "id": id.to_string(), "type": "proposal.received", "apiVersion": "v1",
        "createdAt": "2026-06-12T09:00:00.000Z", "resourceId": "p", "jobId": null, "data": { "proposalId": "p" }
    })
}

pub(crate) fn opentrain_page(ids: impl IntoIterator<Item = u64>, next: &Value, more: bool) -> Reply {
    let events: Vec<Value> = ids.into_iter().map(opentrain_event).collect();
    Reply::json(&json!({ "events": events, "nextCursor": next, "hasMore": more }))
}

pub(crate) fn update(id: &str, event_type: &str, data: &Value) -> Value {
    json!({ "updateId": id, "eventType": event_type, "createdAt": 1_699_564_800_000_i64, "data": data })
}

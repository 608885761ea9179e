//! A small declaration of an API, polled over scripted answers.

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, Context, Problem, Registry, Source};
use sluicebox_testkit::NoFiles;
pub(crate) use sluicebox_testkit::scripted::{Reply, context, in_turn};

fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_declared::register(&mut registry);
    registry
}

/// A small declaration of an API, with more options put over it.
pub(crate) fn options(more: &Value) -> Value {
    let mut options = json!({
        "base_url": "https://api.example.com",
        "request": { "path": "/events", "query": { "after": "{{ cursor }}" } },
        "items": "events",
        "cursor": { "next": { "body": "next" } },
        "event": { "id": "id" },
        "interval": "10s",
        "rate": "unlimited",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// Builds the source of [`options`] and opens it at `cursor`.
pub(crate) async fn source(more: &Value, cx: &Context, cursor: Option<&str>) -> Box<dyn Source> {
    let config = registry().sources()["http_poll"].parse(options(more)).unwrap();
    let mut source = config.build(cx).await.unwrap().into_single().unwrap();
    source.open(cursor.map(sluicebox_core::Cursor::from).as_ref()).await.unwrap();
    source
}

/// What `check` finds in [`options`].
pub(crate) fn problems(more: &Value) -> Vec<Problem> {
    let cx = CheckContext { files: &NoFiles, sources: &[] };
    registry().sources()["http_poll"].parse(options(more)).unwrap().check(&cx)
}

/// A page with these ids; `next` as JSON.
pub(crate) fn page(ids: &[&str], next: &Value) -> Reply {
    let events: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    Reply::json(&json!({ "events": events, "next": next }))
}

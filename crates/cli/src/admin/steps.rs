//! `/api/v1/pipelines/{name}/steps`: what becomes of events, as JSON lines, for as long as somebody listens.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::json;
use sluicebox_engine::{Subject, Trace};

use super::pages::Desk;
use crate::redact;

/// What is asked for: `event` or `component`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Follow this event, by its `meta.id`.
    event: Option<String>,
    /// Watch this component.
    component: Option<String>,
    /// At most so many steps a second, the rest is left out; 0, the default: all.
    #[serde(default)]
    rate: u32,
    /// Show signed links whole.
    #[serde(default)]
    raw: bool,
}

/// Answers with one step a line (see [`sluicebox_engine::Step`]), and `{"left_out": N}` where there were more.
pub(super) async fn steps(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let Some(watch) = desk.fleet.watch(&name) else {
        return (StatusCode::NOT_FOUND, format!("no pipeline `{name}` runs here\n")).into_response();
    };
    let subject = match (wanted.event, wanted.component) {
        (Some(id), None) => Subject::Event(id.into()),
        (None, Some(component)) => {
            let components = watch.status().components;
            if !components.iter().any(|known| known.name == component) {
                let names: Vec<_> = components.into_iter().map(|known| known.name).collect();
                let message = format!("no component `{component}`; there is {}\n", names.join(", "));
                return (StatusCode::NOT_FOUND, message).into_response();
            }
            Subject::Component(component.into())
        }
        _ => return (StatusCode::BAD_REQUEST, "ask for `event` or for `component`\n").into_response(),
    };
    let pause = (wanted.rate > 0).then(|| Duration::from_secs(1) / wanted.rate);
    let lines = stream::unfold(watch.trace(subject), move |mut trace| async move {
        let line = line(&mut trace, wanted.raw).await?;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        Some((Ok::<_, Infallible>(line), trace))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn line(trace: &mut Trace, raw: bool) -> Option<Bytes> {
    let step = trace.next().await?;
    let text = serde_json::to_string(&step).ok()?;
    let mut text = if raw { text } else { redact::text(&text) };
    let left_out = trace.left_out();
    if left_out > 0 {
        text = format!("{}\n{text}", json!({ "left_out": left_out }));
    }
    text.push('\n');
    Some(text.into())
}

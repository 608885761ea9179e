//! What the admin server answers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::json;

use super::access::{self, Access};
use super::steps;
use crate::fleet::Fleet;

const INDEX: &str = include_str!("index.html");

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) fleet: Arc<Fleet>,
    access: Access,
}

/// Every path, behind the guard.
pub(crate) fn router(fleet: Arc<Fleet>, access: Access) -> Router {
    let guard = middleware::from_fn_with_state(access.clone(), access::guard);
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { Json(json!({ "live": true })) }))
        .route("/health/ready", get(ready))
        .route("/api/v1/pipelines", get(pipelines))
        .route("/api/v1/pipelines/{name}", get(pipeline))
        .route("/api/v1/pipelines/{name}/steps", get(steps::steps))
        .layer(guard)
        .with_state(Desk { fleet, access })
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, desk.fleet.render_metrics()).into_response()
}

/// 503 while something is paused, starting or failed; says what to those who may know.
async fn ready(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    let obstacles = desk.fleet.obstacles();
    let ready = obstacles.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = if desk.access.knows_token(&headers) {
        json!({ "ready": ready, "obstacles": obstacles })
    } else {
        json!({ "ready": ready })
    };
    (status, Json(body)).into_response()
}

async fn pipelines(State(desk): State<Desk>) -> Response {
    Json(desk.fleet.shown()).into_response()
}

async fn pipeline(State(desk): State<Desk>, Path(name): Path<String>) -> Response {
    match desk.fleet.shown().into_iter().find(|shown| shown.status.name == name) {
        Some(shown) => Json(shown).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

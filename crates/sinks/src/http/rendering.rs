//! The requests of events, without anybody who answers: for tests of a pipeline.

use serde_json::{Map, Value, json};
use sluicebox_core::{Rendering, Shown, each_event};

use super::shape::Shape;

/// Shows each event with `{method, url, headers, body}`, as if it went alone; a body that is JSON is shown as such.
pub(super) fn of(shape: Shape) -> Box<dyn Rendering> {
    each_event(move |event| {
        let target = shape.target(event)?;
        let body = shape.body(event)?;
        let text = || Value::from(String::from_utf8_lossy(&body));
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
        let header = |(name, value): &(http::HeaderName, http::HeaderValue)| {
            (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))
        };
        let headers: Map<String, Value> = target.headers.iter().map(header).collect();
        let method = shape.method.as_str();
        Ok(Shown::Address(json!({ "method": method, "url": target.url, "headers": headers, "body": body })))
    })
}

//! The same control over HTTP, under `/_emulator/`, for an emulator in a process of its own. No real API has it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;

use crate::call::Call;
use crate::control::Control;
use crate::faults::Fault;
use crate::options::DeliveryMode;
use crate::server::Server;

pub(crate) const PREFIX: &str = "/_emulator/";

/// So many events are rendered at a time when all are asked for.
const STRETCH: u64 = 4096;

pub(crate) fn answer(server: &Arc<Server>, path: &str, call: &Call) -> Response {
    route(server, path, call)
        .unwrap_or_else(|reason| (StatusCode::BAD_REQUEST, reason + "\n").into_response())
}

fn route(server: &Arc<Server>, path: &str, call: &Call) -> Result<Response, String> {
    let control = Control::new(Arc::clone(server));
    let account = u32::try_from(number(call, "account", 0)?).unwrap_or(u32::MAX);
    if server.account(account).is_none() {
        return Err(format!("there is no account {account}"));
    }
    match (call.method.as_str(), path) {
        ("GET", "log") => {
            return lines(&control.log_after(number(call, "after", 0)?));
        }
        ("GET", "messages") => return lines(&control.messages(account)),
        ("GET", "webhooks") => return lines(&control.webhook_attempts(account)),
        ("GET", "events") => return Ok(events(server, account, control.visible(account))),
        ("GET", "stats") => {
            let mut stats = serde_json::to_value(control.stats()).map_err(|error| error.to_string())?;
            stats["visible"] = json!(control.visible(account));
            stats["total"] = json!(control.total(account));
            return Ok((stats.to_string() + "\n").into_response());
        }
        ("GET", "credentials") => {
            let credentials = serde_json::to_string(&control.credentials(account));
            return Ok((credentials.map_err(|error| error.to_string())? + "\n").into_response());
        }
        ("POST", "fault") => {
            let text = std::str::from_utf8(&call.body).map_err(|_| "a fault is text".to_owned())?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let faults = Fault::parse_set(line).map_err(|error| error.to_string())?;
                for fault in faults {
                    control.add_fault(fault);
                }
            }
        }
        ("DELETE", "fault") => control.clear_faults(),
        ("POST", "append") => control.append(account, number(call, "n", 1)?),
        ("POST", "visible") => control.set_visible(account, number(call, "n", 0)?),
        ("POST", "expire_offsets") => control.expire_offsets(account),
        ("POST", "expire_tokens") => control.expire_access_tokens(account),
        ("POST", "revoke") => control.revoke(account),
        ("POST", "rotate") => {
            control.rotate(account);
        }
        ("POST", "mode") => control.set_delivery_mode(account, mode(call)?),
        _ => return Err(format!("there is no {} {PREFIX}{path}", call.method)),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// JSON lines.
fn lines(records: &[impl Serialize]) -> Result<Response, String> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).map_err(|error| error.to_string())?;
        lines.push(b'\n');
    }
    Ok(lines.into_response())
}

fn number(call: &Call, name: &str, default: u64) -> Result<u64, String> {
    match call.parameter(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{name} must be a whole number, not `{text}`")),
    }
}

fn mode(call: &Call) -> Result<DeliveryMode, String> {
    match call.parameter("to").as_deref() {
        Some("polling") => Ok(DeliveryMode::Polling),
        Some("webhook") => Ok(DeliveryMode::Webhook),
        _ => Err("expected `to=polling` or `to=webhook`".to_owned()),
    }
}

/// Every visible event, a stretch at a time: all of them at once could be hundreds of megabytes.
fn events(server: &Arc<Server>, account: u32, visible: u64) -> Response {
    let server = Arc::clone(server);
    let stretches = stream::iter(0..visible.div_ceil(STRETCH)).map(move |stretch| {
        let range = stretch * STRETCH..visible.min((stretch + 1) * STRETCH);
        let lines = server.account(account).map_or_else(Bytes::new, |account| account.lines(range));
        Ok::<Bytes, Infallible>(lines)
    });
    Body::from_stream(stretches).into_response()
}

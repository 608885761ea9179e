//! What a refusal of `GET /updates` means.
//!
//! Source: the OpenTrain contract, section 6. Invariant: no refusal moves or drops the cursor; what only a person can
//! mend pauses, what passes by itself is retried.

use serde_json::Value;
use sluicebox_core::{Error, ErrorClass};
use sluicebox_http::{Answer, Client};

/// The error for an answer that is not 2xx.
pub(super) fn refusal(answer: &Answer, client: &Client, cursor: Option<&str>) -> Error {
    let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = said(&envelope, answer, client);
    let field = envelope.pointer("/details/field").and_then(Value::as_str).unwrap_or_default();
    match answer.status.as_u16() {
        400 if field == "cursor" => {
            let cursor = cursor.unwrap_or("none");
            Error::config(format!("OpenTrain refused the cursor `{cursor}` {said}"))
                .with_reason("cursor_rejected")
                .with_help("set a good one with `sluicebox cursor set`; a reset would replay the whole history")
        }
        400 if field == "limit" => {
            Error::config(format!("OpenTrain refused `limit` {said}")).with_help("use 1 to 200")
        }
        400 => Error::config(format!("OpenTrain refused the request {said}")),
        401 => Error::auth(format!("OpenTrain refused the token {said}")).with_help(
            "it is wrong, expired or revoked; claiming the account revokes every token made before: put a new one in place",
        ),
        403 => forbidden(&envelope, client, &said),
        404 => Error::config(format!("there is no feed at {} {said}", client.base_url()))
            .with_help("check `base_url`; it ends in `/api/public/v1`"),
        429 => Error::rate_limited(format!("OpenTrain asks to wait {said}"), answer.retry_after()),
        408 | 425 | 500.. => {
            let failed = Error::new(ErrorClass::Transient, format!("OpenTrain failed {said}"));
            answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
        }
        _ => Error::permanent(format!("OpenTrain answered something unexpected {said}")),
    }
}

fn forbidden(envelope: &Value, client: &Client, said: &str) -> Error {
    let list = |name: &str| {
        let scopes = envelope.pointer(&format!("/details/{name}")).and_then(Value::as_array);
        let scopes: Vec<&str> = scopes.into_iter().flatten().filter_map(Value::as_str).collect();
        if scopes.is_empty() { "none".to_owned() } else { client.quote(&scopes.join(", ")) }
    };
    let (required, granted) = (list("requiredScopes"), list("grantedScopes"));
    Error::auth(format!(
        "the token may not read the feed: it needs one of {required}, and has {granted} {said}"
    ))
    .with_help("make a token with `proposals:read`, `messages:read` or `payments:read`")
}

/// `(status 400, code BAD_REQUEST, request 6f0c…: text)`.
pub(crate) fn said(envelope: &Value, answer: &Answer, client: &Client) -> String {
    let part = |name: &str| envelope.get(name).and_then(Value::as_str).map(|text| client.quote(text));
    let mut said = format!("(status {}", answer.status.as_u16());
    for (label, name) in [(", code ", "code"), (", request ", "requestId"), (": ", "error")] {
        if let Some(text) = part(name) {
            said.push_str(label);
            said.push_str(&text);
        }
    }
    said.push(')');
    said
}

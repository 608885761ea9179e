//! How Slack refuses: the words of sections 1 and 2 of the contract, and the status that each comes with.

use serde_json::{Value, json};

use super::is_webhook;
use crate::answer::Answer;
use crate::call::Call;

/// Why a message is not stored: a word of the Web API, and what is wrong with which part.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) word: &'static str,
    pub(crate) messages: Vec<String>,
}

impl From<&'static str> for Refusal {
    fn from(word: &'static str) -> Self {
        Self { word, messages: Vec::new() }
    }
}

/// The answer with this word, in the way of the path that was asked.
pub(crate) fn refusal(call: &Call, word: &str) -> Answer {
    if is_webhook(&call.path) { of_webhook(word) } else { of_method(word, &[]) }
}

/// The answer of a server that fails with this status.
pub(crate) fn failure(call: &Call, status: u16) -> Answer {
    match status {
        429 if is_webhook(&call.path) => Answer::text(429, "rate_limited"),
        429 => of_method("ratelimited", &[]),
        500 if is_webhook(&call.path) => of_webhook("rollup_error"),
        500..=599 => Answer::text(status, "upstream unavailable"),
        _ => Answer::text(status, "the request failed"),
    }
}

/// The word in an answer that refuses.
pub(crate) fn word(answer: &Answer) -> Option<String> {
    let body = answer.body.bytes();
    if answer.content_type == "application/json" {
        let body: Value = serde_json::from_slice(body).ok()?;
        return body["error"].as_str().map(ToOwned::to_owned);
    }
    let text = std::str::from_utf8(body).ok()?;
    (answer.status != 200 && !text.contains(' ')).then(|| text.to_owned())
}

/// The answer when a channel, or a token, is over its limit.
pub(super) fn too_many(call: &Call, seconds: u64) -> Answer {
    failure(call, 429).retry_after(seconds)
}

/// A refusal of the Web API: status 200, except for the limit.
pub(super) fn of_method(word: &str, messages: &[String]) -> Answer {
    let mut body = json!({ "ok": false, "error": word });
    if !messages.is_empty() {
        body["response_metadata"] = json!({ "messages": messages });
    }
    let status = if word == "ratelimited" { 429 } else { 200 };
    Answer::json(status, &body)
}

/// A refusal of a webhook. The status of some words is not documented; those are as observed by others.
pub(super) fn of_webhook(word: &str) -> Answer {
    let status = match word {
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" => 403,
        "channel_not_found" | "no_service" | "no_service_id" | "no_team" | "no_active_hooks"
        | "team_disabled" => 404,
        "channel_is_archived" => 410,
        "rate_limited" | "ratelimited" => 429,
        "rollup_error" => 500,
        _ => 400,
    };
    Answer::text(status, word)
}

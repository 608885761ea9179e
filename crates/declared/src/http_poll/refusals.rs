//! What an answer means that is no page: the declared rules first, then the meaning that HTTP gives a status.
//!
//! Invariant: no refusal moves or drops the cursor, but an expired one under `on_cursor_expired: reset`; what only a
//! person can mend pauses, what passes by itself is retried.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicebox_core::{Error, Problem};
use sluicebox_http::{Answer, Client};
use sluicebox_polling::path::{Path, find_all};

use super::event::{path, scalar};
use super::several::Several;

/// What an answer means. The first rule whose conditions all hold counts; without one, the status decides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The statuses that it is for; unset: all, 200 too.
    #[serde(default)]
    #[schemars(example = 409)]
    pub status: Several<u16>,
    /// A field of the body, as a path, that must be there and neither null nor false.
    #[serde(default)]
    #[schemars(example = "error.code")]
    pub field: Option<String>,
    /// The values that the field must have instead, one of them.
    #[serde(default)]
    pub is: Several<String>,
    /// Text that the body must hold, in letters of any case.
    #[serde(default)]
    pub contains: Option<String>,
    /// What it means.
    pub then: Meaning,
    /// What a person can do about it.
    #[serde(default)]
    pub help: Option<String>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It passes by itself: ask again.
    Retry,
    /// Too many requests: ask again after `Retry-After`, else after 5 s to 60 s.
    RateLimited,
    /// Only a person can mend it: pause, the cursor is kept.
    Pause,
    /// The credentials are refused: pause, the cursor is kept.
    Auth,
    /// The cursor is no longer available; `on_cursor_expired` decides. Without a cursor: pause. Where a page of a sweep
    /// was asked for, it is the page that is gone, and the sweep begins again.
    Expired,
    /// There is nothing new; a sweep over pages ends.
    Empty,
}

/// A rule, ready to be asked.
#[derive(Debug)]
pub(super) struct Rule {
    statuses: Vec<u16>,
    field: Option<Path>,
    is: Vec<String>,
    contains: Option<String>,
    pub(super) then: Meaning,
    pub(super) help: Option<String>,
}

impl Rule {
    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(super) fn compile(index: usize, options: &ErrorRule, problems: &mut Vec<Problem>) -> Self {
        let at = |name: &str| format!("errors[{index}].{name}");
        if options.status.0.is_empty() && options.field.is_none() && options.contains.is_none() {
            problems.push(
                Problem::new(format!("errors[{index}]"), "a rule without a condition holds for every answer")
                    .with_help("add `status`, `field` or `contains`"),
            );
        }
        if options.field.is_none() && !options.is.0.is_empty() {
            problems.push(Problem::new(at("is"), "`is` needs the `field` that it compares"));
        }
        for status in options.status.0.iter().filter(|status| !(200..=599).contains(*status)) {
            problems.push(Problem::new(at("status"), format!("expected 200 to 599, found {status}")));
        }
        Self {
            statuses: options.status.0.clone(),
            field: options.field.as_deref().and_then(|text| path(&at("field"), text, problems)),
            is: options.is.0.clone(),
            contains: options.contains.as_deref().map(str::to_lowercase),
            then: options.then,
            help: options.help.clone(),
        }
    }

    /// Whether every condition holds.
    pub(super) fn holds(&self, answer: &Answer) -> bool {
        let status = self.statuses.is_empty() || self.statuses.contains(&answer.status.as_u16());
        let contains =
            |wanted: &String| String::from_utf8_lossy(&answer.body).to_lowercase().contains(wanted);
        status
            && self.field.as_ref().is_none_or(|path| self.has(path, &answer.body))
            && self.contains.as_ref().is_none_or(contains)
    }

    fn has(&self, path: &Path, body: &[u8]) -> bool {
        let found = std::str::from_utf8(body).ok().and_then(|text| find_all(text, &[path]).ok()?.pop()?);
        let Some(value) = found.filter(|value| value.get() != "null") else { return false };
        if self.is.is_empty() {
            return value.get() != "false";
        }
        let text = scalar(Some(value));
        self.is.iter().any(|is| text.as_deref().unwrap_or(RawValue::get(value)) == is)
    }
}

/// What a status means that no rule speaks of; `None`: it is a page.
pub(super) fn of_status(answer: &Answer, client: &Client, cursor: Option<&str>) -> Option<Error> {
    if answer.status.is_success() {
        return None;
    }
    let (said, host) = (said(answer, client), client.base_url());
    Some(match answer.status.as_u16() {
        400 => {
            let sent = cursor.map(|cursor| format!("; the cursor sent was `{cursor}`")).unwrap_or_default();
            let error = Error::config(format!("{host} refused the request {said}{sent}"));
            match cursor {
                Some(_) => error
                    .with_reason("cursor_rejected")
                    .with_help("if the cursor is damaged, set a good one with `sluicebox cursor set`"),
                None => error.with_help("check `request`"),
            }
        }
        401 => unauthorized(answer, &said, client),
        403 => Error::auth(format!("{host} does not allow this {said}"))
            .with_help("check what the credentials may read"),
        404 => Error::config(format!("there is nothing at {host} under this path {said}"))
            .with_help("check `base_url` and `request.path`"),
        408 | 425 | 500.. => transient(answer, client),
        _ => Error::permanent(format!("{host} answered something unexpected {said}"))
            .with_help("if it is meant, say under `errors` what it means"),
    })
}

/// The error for an answer that passes by itself.
pub(super) fn transient(answer: &Answer, client: &Client) -> Error {
    let failed = Error::transient(format!("{} failed {}", client.base_url(), said(answer, client)));
    answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
}

/// `(status 401: unauthorized)`.
pub(super) fn said(answer: &Answer, client: &Client) -> String {
    let status = answer.status.as_u16();
    match client.excerpt(answer).as_str() {
        "" => format!("(status {status})"),
        text => format!("(status {status}: {text})"),
    }
}

/// Whether the answer asks to wait.
pub(super) fn asks_to_wait(answer: &Answer) -> bool {
    answer.status == StatusCode::TOO_MANY_REQUESTS
}

fn unauthorized(answer: &Answer, said: &str, client: &Client) -> Error {
    let host = client.base_url();
    match answer.clock_skew_seconds {
        Some(skew) => {
            let (seconds, side) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
            Error::auth(format!(
                "{host} refused the credentials {said}, and this machine's clock is {seconds} s {side} the server's"
            ))
            .with_help("set the clock; if that does not help, check key and secret")
        }
        None => Error::auth(format!("{host} refused the credentials {said}"))
            .with_help("they are wrong, expired or revoked: put new ones in place"),
    }
}

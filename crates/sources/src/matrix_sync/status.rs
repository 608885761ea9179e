//! What a refusal of a homeserver means.
//!
//! Source: the Matrix Client-Server API, "Standard error response", "Rate limiting" and "Soft logout". Invariant: no
//! refusal moves the place, but for one that says that a room may not be read any more.

use std::time::Duration;

use serde::Deserialize;
use sluicebox_core::Error;
use sluicebox_http::{Answer, Client};

/// The body of an error, as far as it was one.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    errcode: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    soft_logout: bool,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}

/// `(status 401, M_UNKNOWN_TOKEN: Invalid access token passed.)`.
pub(super) fn said(answer: &Answer, client: &Client) -> String {
    let (status, said) = (answer.status.as_u16(), Said::of(answer));
    let text = match said.errcode.as_str() {
        "" => client.excerpt(answer),
        errcode => format!("{}: {}", client.quote(errcode), client.quote(&said.error)),
    };
    if text.is_empty() { format!("(status {status})") } else { format!("(status {status}, {text})") }
}

/// How long a 429 asks to wait: the header, else the field that came before it.
pub(super) fn wait(answer: &Answer) -> Option<Duration> {
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(300));
    let stated = || Said::of(answer).retry_after_ms.map(Duration::from_millis);
    answer.retry_after().or_else(|| stated().map(|wait| wait.clamp(shortest, longest)))
}

/// Whether the account may not read this room, or there is none: it was removed from it, or the room was.
pub(super) fn is_room_closed(answer: &Answer) -> bool {
    let errcode = Said::of(answer).errcode;
    match answer.status.as_u16() {
        403 => errcode == "M_FORBIDDEN",
        404 => errcode == "M_NOT_FOUND",
        _ => false,
    }
}

/// The error for an answer that is neither 2xx nor 429; `token` is the place that was asked for.
pub(super) fn refusal(answer: &Answer, client: &Client, token: Option<&str>) -> Error {
    let said = said(answer, client);
    match answer.status.as_u16() {
        400 => {
            let error = match token {
                Some(token) => {
                    format!("the homeserver refused the request {said}; the token sent was `{token}`")
                }
                None => format!("the homeserver refused the request {said}"),
            };
            let error = Error::config(error);
            match token {
                Some(_) => error
                    .with_reason("cursor_rejected")
                    .with_help("if the token is damaged, or of another server, set a good one with `sluicebox cursor set`"),
                None => error,
            }
        }
        401 => unauthorized(answer, &said),
        403 => Error::auth(format!("the account may not do this {said}"))
            .with_help("look at what the homeserver says: a suspended account, terms to agree to, a guest"),
        404 => Error::config(format!("there is no Matrix API at {} {said}", client.base_url())).with_help(
            "check `base_url`: it is the `m.homeserver` of `https://<your server>/.well-known/matrix/client`",
        ),
        408 | 425 | 500.. => {
            let failed = Error::transient(format!("the homeserver failed {said}"));
            answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
        }
        _ => Error::permanent(format!("the homeserver answered something unexpected {said}")),
    }
}

fn unauthorized(answer: &Answer, text: &str) -> Error {
    let said = Said::of(answer);
    match said.errcode.as_str() {
        "M_UNKNOWN_TOKEN" if said.soft_logout => Error::auth(format!("the access token has expired {text}"))
            .with_help("log in again with the same device, and set the new token; the place is kept"),
        "M_USER_LOCKED" => Error::auth(format!("the account is locked {text}"))
            .with_help("ask the people who run the homeserver"),
        _ => Error::auth(format!("the homeserver refused the access token {text}")).with_help(
            "check `token`, and that it belongs to this homeserver; the device may have been logged out",
        ),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use sluicebox_core::Timestamp;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            received: Timestamp::default(),
            took: Duration::ZERO,
            clock_skew_seconds: None,
        }
    }

    #[test]
    fn waits_come_from_the_header_or_the_body_and_are_bounded() {
        let seconds = |body| wait(&answer(429, body)).map(|wait| wait.as_millis());
        assert_eq!(seconds(r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}"#), Some(2500));
        assert_eq!(seconds(r#"{"retry_after_ms":0}"#), Some(1000));
        assert_eq!(seconds(r#"{"retry_after_ms":99999999999}"#), Some(300_000));
        assert_eq!(seconds(r#"{"errcode":"M_LIMIT_EXCEEDED"}"#), None);
        assert_eq!(seconds("<html>"), None);
        let mut both = answer(429, r#"{"retry_after_ms":2500}"#);
        both.headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("7"));
        assert_eq!(wait(&both), Some(Duration::from_secs(7)));
    }

    #[test]
    fn only_the_server_itself_closes_a_room() {
        assert!(is_room_closed(&answer(403, r#"{"errcode":"M_FORBIDDEN","error":"no"}"#)));
        assert!(is_room_closed(&answer(404, r#"{"errcode":"M_NOT_FOUND"}"#)));
        for (status, body) in [
            (403, "<html>a proxy says no</html>"),
            (403, r#"{"errcode":"M_CONSENT_NOT_GIVEN"}"#),
            (404, r#"{"errcode":"M_UNRECOGNIZED"}"#),
            (401, r#"{"errcode":"M_FORBIDDEN"}"#),
        ] {
            assert!(!is_room_closed(&answer(status, body)), "{body}");
        }
    }
}

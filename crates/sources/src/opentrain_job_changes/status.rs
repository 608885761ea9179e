//! What a refusal of `GET /jobs/changes` means.
//!
//! Source: the OpenTrain contract, sections 6 and 8. Invariant: no refusal moves the position; what only a person can
//! mend pauses, what passes by itself is retried.

use serde_json::Value;
use sluicebox_core::{Error, ErrorClass};
use sluicebox_http::{Answer, Client};

use super::position::Position;
use crate::opentrain_updates::said;

/// The error for an answer that is not 2xx.
pub(super) fn refusal(answer: &Answer, client: &Client, position: &Position) -> Error {
    let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = said(&envelope, answer, client);
    match answer.status.as_u16() {
        // The only parameter is the time.
        400 => Error::config(format!("OpenTrain refused the time `{}` {said}", position.since))
            .with_reason("cursor_rejected")
            .with_help("set a good one with `sluicebox cursor set`, such as `2026-06-12T00:00:00Z`"),
        401 | 403 => Error::auth(format!("OpenTrain wants credentials for its public jobs {said}"))
            .with_help("this endpoint is public: check `base_url`, and what stands between"),
        404 => Error::config(format!("there are no job changes at {} {said}", client.base_url()))
            .with_help("check `base_url`; it ends in `/api/public/v1`"),
        429 => Error::rate_limited(format!("OpenTrain asks to wait {said}"), answer.retry_after())
            .with_help("120 requests a minute are allowed for all who share this machine's address"),
        408 | 425 | 500.. => {
            let failed = Error::new(ErrorClass::Transient, format!("OpenTrain failed {said}"));
            answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
        }
        _ => Error::permanent(format!("OpenTrain answered something unexpected {said}")),
    }
}

//! What a refusal means, of `GET /v2/updates` and of `GET /v2/members/me`.
//!
//! Source: the Zenzap contract, section 7. Invariant: no refusal moves or drops the offset; bodies are plain text and
//! are quoted, never parsed.

use sluicebox_core::Error;
use sluicebox_http::{Answer, Client};

/// The error for an answer that is neither 2xx nor 409.
pub(super) fn refusal(answer: &Answer, client: &Client, offset: Option<&str>) -> Error {
    let said = said(answer, client);
    match answer.status.as_u16() {
        400 => {
            let error = match offset {
                Some(offset) => format!("Zenzap refused the request {said}; the offset sent was `{offset}`"),
                None => format!("Zenzap refused the request {said}"),
            };
            let error = Error::config(error);
            match offset {
                Some(_) => error
                    .with_reason("cursor_rejected")
                    .with_help("if the offset is damaged, set a good one with `sluicebox cursor set`"),
                None => error,
            }
        }
        401 => unauthorized(answer, &said),
        403 => forbidden(&said, "updates:read"),
        404 => Error::config(format!("there is no feed at {} {said}", client.base_url()))
            .with_help("check `base_url`: `https://api.zenzap.co` or `https://api.us.zenzap.co`"),
        429 => Error::rate_limited(format!("Zenzap asks to wait {said}"), answer.retry_after()),
        408 | 425 | 500.. => {
            let failed = Error::transient(format!("Zenzap failed {said}"));
            answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
        }
        _ => Error::permanent(format!("Zenzap answered something unexpected {said}")),
    }
}

/// The error for a missing scope.
pub(super) fn forbidden(said: &str, scope: &str) -> Error {
    Error::auth(format!("the bot may not read this: the scope `{scope}` is missing {said}"))
        .with_help(format!("grant the bot `{scope}`, and ask for it in `auth.oauth.scope` if that is set"))
}

/// `(status 401: unauthorized)`.
pub(super) fn said(answer: &Answer, client: &Client) -> String {
    let status = answer.status.as_u16();
    match client.excerpt(answer).as_str() {
        "" => format!("(status {status})"),
        text => format!("(status {status}: {text})"),
    }
}

fn unauthorized(answer: &Answer, said: &str) -> Error {
    match answer.clock_skew_seconds {
        Some(skew) => {
            let (seconds, side) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
            Error::auth(format!(
                "Zenzap refused the credentials {said}, and this machine's clock is {seconds} s {side} the server's"
            ))
            .with_help("signatures are good for 5 minutes: set the clock; if that does not help, check key and secret")
        }
        None => Error::auth(format!("Zenzap refused the credentials {said}")).with_help(
            "check them, and that they belong to this region's host (`base_url`); they may have been rotated",
        ),
    }
}

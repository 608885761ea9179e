//! Who the bot itself is, for `drop_own`.
//!
//! Source: the Zenzap contract, sections 11 and 12 (19, 20). Invariant: ids are compared without their `u@` or `b@`,
//! because they appear with and without it; events keep the original.

use serde::Deserialize;
use sluicebox_core::{Error, Result};
use sluicebox_http::Client;

use super::status;

#[derive(Deserialize)]
struct Member {
    id: String,
}

/// Asks for the bot's own id, without its prefix.
pub(super) async fn id(client: &Client) -> Result<String> {
    let answer = client.get("/v2/members/me").await?;
    match answer.status.as_u16() {
        200..=299 => {
            let member: Member = serde_json::from_slice(&answer.body).map_err(|_| {
                Error::transient("Zenzap's answer to `GET /v2/members/me` holds no id")
                    .with_reason("protocol")
            })?;
            Ok(bare(&member.id).to_owned())
        }
        403 => Err(status::forbidden(&status::said(&answer, client), "member:read")
            .with_help("grant the bot `member:read`, which `drop_own` needs, or remove `drop_own`")),
        _ => Err(status::refusal(&answer, client, None)),
    }
}

/// An id without its prefix.
pub(super) fn bare(id: &str) -> &str {
    id.strip_prefix("u@").or_else(|| id.strip_prefix("b@")).unwrap_or(id)
}

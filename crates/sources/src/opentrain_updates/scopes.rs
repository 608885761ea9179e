//! Which events the token can show, said at start and to `check --connect`: a missing scope looks like silence.
//!
//! Source: the OpenTrain contract, sections 1 and 4. Invariant: only scopes are logged, never who the token belongs to;
//! a failure here stops nothing, because the feed itself is the authority.

use serde_json::Value;
use sluicebox_http::Client;

use crate::asking;

/// Event types by the scope that shows them.
const TYPES: [(&str, &[&str]); 3] = [
    ("proposals", &["proposal.received", "proposal.status_changed"]),
    ("messages", &["message.received"]),
    (
        "payments",
        &[
            "contract.created",
            "milestone.status_changed",
            "payment.pending",
            "approval.confirmed",
            "contract.budget_state_changed",
        ],
    ),
];

/// Asks what the token may do, and logs it.
pub(super) async fn log_granted(client: &Client, account: &str) {
    match granted_to(client).await {
        Ok(scopes) => report(&scopes, account),
        Err(why) => tracing::debug!(account, "the token's scopes could not be read: {why}"),
    }
}

/// Asks what the token may do.
///
/// # Errors
/// Why that is not known, in words.
pub(super) async fn granted_to(client: &Client) -> Result<Vec<String>, String> {
    let answer = client.get_within("/auth/me", &asking::limits(64 << 10)).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("status {}", answer.status.as_u16()));
    }
    granted(&answer.body).ok_or_else(|| "the answer names no scopes".to_owned())
}

fn granted(body: &[u8]) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let scopes = answer.pointer("/token/scopes")?.as_array()?;
    Some(scopes.iter().filter_map(|scope| scope.as_str().map(str::to_owned)).collect())
}

fn report(scopes: &[String], account: &str) {
    let hidden = hidden_types(scopes);
    tracing::info!(account, scopes = scopes.join(" "), "the token's scopes");
    if !hidden.is_empty() {
        tracing::warn!(account, types = hidden.join(" "), "the token cannot show these event types");
    }
}

/// The event types that no scope shows; a `…:write` scope implies its `…:read`.
pub(super) fn hidden_types(scopes: &[String]) -> Vec<&'static str> {
    let may_read = |area: &str| {
        scopes.iter().any(|scope| *scope == format!("{area}:read") || *scope == format!("{area}:write"))
    };
    TYPES.iter().filter(|(area, _)| !may_read(area)).flat_map(|(_, types)| types.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_the_hidden_types_found() {
        let body =
            br#"{"actor":{"email":"x@example.com"},"token":{"scopes":["proposals:read","payments:write"]}}"#;
        let scopes = granted(body).unwrap();
        assert_eq!(scopes, ["proposals:read", "payments:write"]);
        assert_eq!(hidden_types(&scopes), ["message.received"]);
        assert_eq!(hidden_types(&[]).len(), 8);
        assert!(granted(b"{}").is_none() && granted(b"no").is_none());
    }
}

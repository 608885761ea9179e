//! Says at start which events the token can show: a missing scope looks like silence.
//!
//! Source: the OpenTrain contract, sections 1 and 4. Invariant: only scopes are logged, never who the token belongs to;
//! a failure here stops nothing, because the feed itself is the authority.

use std::time::Duration;

use serde_json::Value;
use sluicebox_http::{Client, Limits};

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
    let wait = Duration::from_secs(5);
    let limits = Limits { read: wait, total: wait, body_bytes: 64 << 10 };
    match client.get_within("/auth/me", &limits).await {
        Ok(answer) if answer.status.is_success() => {
            if let Some(scopes) = granted(&answer.body) {
                report(&scopes, account);
            }
        }
        Ok(answer) => {
            tracing::debug!(account, status = answer.status.as_u16(), "the token's scopes could not be read");
        }
        Err(error) => tracing::debug!(account, error = %error, "the token's scopes could not be read"),
    }
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
fn hidden_types(scopes: &[String]) -> Vec<&'static str> {
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

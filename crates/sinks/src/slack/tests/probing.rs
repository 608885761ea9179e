//! What `check --connect` finds.

use sluicebox_core::Standing;

use super::*;
use crate::slack::testing::Reply::{self, Say};

/// `subject standing`, in order.
async fn findings(options: &Value) -> Vec<String> {
    let probe = spec(options).probe(&context()).await;
    let standing = |standing: &Standing| match standing {
        Standing::Fine(_) => "fine",
        Standing::Doubtful { .. } => "doubtful",
        Standing::Wrong(_) => "wrong",
    };
    probe.findings().iter().map(|found| format!("{} {}", found.subject, standing(&found.standing))).collect()
}

const WHO: &str =
    r#"{"ok":true,"url":"https://w.slack.com/","team":"W","user":"bot","team_id":"T1","user_id":"U1"}"#;

#[tokio::test]
async fn a_token_is_asked_who_it_is_what_it_may_and_where() {
    let scopes = "X-OAuth-Scopes: chat:write,channels:read\r\n";
    let who = Say(200, scopes, WHO);
    let channel_is = |body: &'static str| [who.clone(), Say(200, scopes, body)];
    for (replies, expected) in [
        (
            channel_is(
                r#"{"ok":true,"channel":{"id":"C1","name":"pay","is_archived":false,"is_member":true}}"#,
            )
            .to_vec(),
            vec!["server fine", "credentials fine", "scopes fine", "channel fine"],
        ),
        (
            channel_is(
                r#"{"ok":true,"channel":{"id":"C1","name":"pay","is_archived":false,"is_member":false}}"#,
            )
            .to_vec(),
            vec!["server fine", "credentials fine", "scopes fine", "channel wrong"],
        ),
        (
            channel_is(r#"{"ok":true,"channel":{"id":"C1","name":"pay","is_archived":true}}"#).to_vec(),
            vec!["server fine", "credentials fine", "scopes fine", "channel wrong"],
        ),
        (
            channel_is(r#"{"ok":false,"error":"channel_not_found"}"#).to_vec(),
            vec!["server fine", "credentials fine", "scopes fine", "channel wrong"],
        ),
        (
            channel_is(r#"{"ok":false,"error":"missing_scope","needed":"channels:read"}"#).to_vec(),
            vec!["server fine", "credentials fine", "scopes fine", "channel doubtful"],
        ),
        (
            vec![Say(200, "X-OAuth-Scopes: channels:read\r\n", WHO)],
            vec!["server fine", "credentials fine", "scopes wrong", "server wrong"],
        ),
        (
            vec![Say(200, "", r#"{"ok":false,"error":"invalid_auth"}"#)],
            vec!["server fine", "credentials wrong"],
        ),
        (vec![Say(429, "", "")], vec!["server fine", "credentials doubtful"]),
        (vec![Say(404, "", "<html>")], vec!["server fine", "server wrong"]),
        (vec![Reply::Cut], vec!["server wrong"]),
    ] {
        let server = Server::new(&replies);
        assert_eq!(findings(&channel(&server, json!({}))).await, expected, "{replies:?}");
        assert!(server.seen().iter().all(|seen| !seen.line.contains("postMessage")));
    }
}

#[tokio::test]
async fn a_name_is_doubtful() {
    let server = Server::new(&[Say(200, "X-OAuth-Scopes: chat:write\r\n", WHO)]);
    let found = findings(&channel(&server, json!({ "channel": "#payments" }))).await;
    assert_eq!(found, ["server fine", "credentials fine", "scopes fine", "channel doubtful"]);
}

#[tokio::test]
async fn a_webhook_is_reached_without_its_secret() {
    let server = Server::new(&[Say(302, "Location: https://slack.com/\r\n", "")]);
    assert_eq!(findings(&webhook(&server, json!({}))).await, ["server fine", "webhook doubtful"]);
    assert_eq!(server.seen()[0].line, "GET /");
    assert_eq!(findings(&json!({ "text": "x" })).await, ["options wrong"]);
}

//! What an answer of Slack says about a message: posted, or refused and why.
//!
//! Source: sections 1, 2 and 7 of the Slack contract. Invariant: a status of 200 is no success; the body's word is read
//! first, the status where there is no word that is known.

use std::time::Duration;

use serde_json::{Map, Value};
use sluicebox_http::Answer;

use super::words::{self, Kind};

/// How long to wait where Slack asks to wait and does not say for how long.
const UNSAID: Duration = Duration::from_secs(30);
/// The longest wait that Slack is believed to mean.
const LONGEST: Duration = Duration::from_secs(600);

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the channel.
    Posted {
        /// What identifies it in its channel; a webhook does not say.
        ts: Option<String>,
        /// What Slack did not like, such as `message_truncated`.
        warnings: Vec<String>,
    },
    /// It is not, or nobody knows.
    Refused(Refusal),
}

/// Why a message was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What it is about; `None` if the word is not documented.
    pub(crate) kind: Option<Kind>,
    /// Slack's own word, or what came instead of one.
    pub(crate) word: String,
    /// The stable word for pauses.
    pub(crate) reason: &'static str,
    /// What Slack says beside the word, each a clause.
    pub(crate) details: Vec<String>,
}

/// What the answer of a webhook says: plain text, `ok` or a word.
pub(crate) fn of_webhook(status: u16, body: &[u8]) -> Verdict {
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    if status == 200 && body == "ok" {
        return Verdict::Posted { ts: None, warnings: Vec::new() };
    }
    let end = body.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(body.len());
    Verdict::Refused(refused(status, &body[..end], Vec::new()))
}

/// What the answer of `chat.postMessage` says: JSON with `ok`.
pub(crate) fn of_api(status: u16, body: &[u8]) -> Verdict {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return Verdict::Refused(refused(
            status,
            "",
            vec!["the answer is not the JSON it should be".to_owned()],
        ));
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if body.get("ok") == Some(&Value::Bool(true)) && (200..300).contains(&status) {
        let Some(ts) = text("ts") else {
            return Verdict::Refused(refused(200, "", vec!["the answer names no `ts`".to_owned()]));
        };
        let mut warnings = metadata(&body, "warnings");
        warnings.extend(text("warning").into_iter().flat_map(|list| list.split(',')).map(str::to_owned));
        warnings.sort_unstable();
        warnings.dedup();
        return Verdict::Posted { ts: Some(ts.to_owned()), warnings };
    }
    let mut details = metadata(&body, "messages");
    details.extend(text("needed").map(|scopes| format!("it needs the scope {scopes}")));
    details.extend(text("provided").map(|scopes| format!("the token has {scopes}")));
    Verdict::Refused(refused(status, text("error").unwrap_or_default(), details))
}

/// The texts of a list in `response_metadata`; whatever else is there does not matter.
fn metadata(body: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = body.get("response_metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn refused(status: u16, word: &str, details: Vec<String>) -> Refusal {
    let known = words::kind(word).or_else(|| words::kind_of_status(status));
    let (kind, reason) = known.map_or((None, "unknown_answer"), |(kind, reason)| (Some(kind), reason));
    let word = if word.is_empty() { format!("status {status}") } else { word.to_owned() };
    Refusal { kind, word, reason, details }
}

/// How long an answer asks us to wait: whole seconds, at most ten minutes; 30 s if it does not say.
pub(crate) fn wait(answer: &Answer) -> Duration {
    let header = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
    let text = header.map(str::trim).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return UNSAID;
    }
    // More digits than fit are more than ten minutes.
    Duration::from_secs(text.parse().unwrap_or(u64::MAX)).clamp(Duration::from_secs(1), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(verdict: Verdict) -> Refusal {
        match verdict {
            Verdict::Refused(refusal) => refusal,
            Verdict::Posted { .. } => panic!("posted"),
        }
    }

    #[test]
    fn every_documented_answer_of_a_webhook_is_known() {
        use Kind::{Busy, Channel, Credentials, Message, Rate};
        for (status, body, kind) in [
            (400, "invalid_payload", Some(Message)),
            (400, "user_not_found", Some(Channel)),
            (400, "no_text", Some(Message)),
            (400, "invalid_blocks", Some(Message)),
            (400, "missing_text_or_fallback_or_attachments", Some(Message)),
            (400, "too_many_attachments", Some(Message)),
            (403, "action_prohibited", Some(Credentials)),
            (403, "invalid_token", Some(Credentials)),
            (403, "posting_to_general_channel_denied", Some(Channel)),
            (404, "channel_not_found", Some(Channel)),
            (404, "no_service", Some(Credentials)),
            (404, "no_service_id", Some(Credentials)),
            (404, "no_team", Some(Credentials)),
            (404, "no_active_hooks", Some(Credentials)),
            (404, "team_disabled", Some(Credentials)),
            (410, "channel_is_archived", Some(Channel)),
            (429, "", Some(Rate)),
            (429, "<html>slow down</html>", Some(Rate)),
            (500, "rollup_error", Some(Busy)),
            (502, "<html>", Some(Busy)),
            (503, "", Some(Busy)),
            // The word goes first: a known one wins over the status, whatever that is.
            (500, "invalid_payload", Some(Message)),
            (200, "invalid_blocks\n", Some(Message)),
            (400, "channel_not_found: C1", Some(Channel)),
            // No word that is known.
            (400, "something_new", Some(Message)),
            (403, "something_new", Some(Credentials)),
            (404, "no_such_thing", Some(Credentials)),
            (410, "", Some(Credentials)),
            (200, "okay", None),
            (200, "", None),
            (204, "", None),
            (200, "{\"ok\":true}", None),
        ] {
            assert_eq!(refusal(of_webhook(status, body.as_bytes())).kind, kind, "{status} {body}");
        }
        assert!(matches!(of_webhook(200, b"ok"), Verdict::Posted { ts: None, .. }));
    }

    #[test]
    fn every_documented_error_of_post_message_is_known() {
        use Kind::{Ambiguous, Busy, Channel, Credentials, Message, Pause, Rate, Request};
        let table: &[(Kind, &str)] = &[
            (Rate, "ratelimited rate_limited"),
            (Pause, "message_limit_exceeded org_login_required team_added_to_org"),
            (Busy, "service_unavailable request_timeout"),
            (Ambiguous, "internal_error fatal_error"),
            (
                Message,
                "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text too_many_attachments \
                 too_many_contact_cards attachment_payload_limit_exceeded metadata_too_large \
                 metadata_must_be_sent_from_app invalid_metadata_format invalid_metadata_schema \
                 markdown_text_conflict cannot_reply_to_message",
            ),
            (
                Request,
                "invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data \
                 invalid_post_type missing_post_type",
            ),
            (
                Channel,
                "channel_not_found not_in_channel no_permission is_archived messages_tab_disabled restricted_action \
                 restricted_action_read_only_channel team_not_found slack_connect_canvas_sharing_blocked",
            ),
            (
                Credentials,
                "invalid_auth not_authed account_inactive token_revoked token_expired missing_scope \
                 not_allowed_token_type access_denied accesslimited ekm_access_denied team_access_not_granted \
                 enterprise_is_restricted two_factor_setup_required as_user_not_supported method_deprecated \
                 deprecated_endpoint",
            ),
        ];
        for (kind, words) in table {
            for word in words.split_whitespace() {
                let body = format!(r#"{{"ok":false,"error":"{word}"}}"#);
                let found = refusal(of_api(200, body.as_bytes()));
                assert_eq!((found.kind, found.word.as_str()), (Some(*kind), word));
            }
        }
        let kind = |status, body: &str| refusal(of_api(status, body.as_bytes())).kind;
        assert_eq!(kind(200, r#"{"ok":false,"error":"brand_new"}"#), None);
        assert_eq!(kind(200, r#"{"ok":false}"#), None);
        assert_eq!(kind(200, r#"{"ok":true}"#), None);
        assert_eq!(kind(200, "<html>"), None);
        assert_eq!(kind(200, "[]"), None);
        assert_eq!(kind(200, ""), None);
        assert_eq!(kind(200, r#"{"ok":"#), None);
        assert_eq!(kind(429, ""), Some(Rate));
        assert_eq!(kind(500, "oops"), Some(Busy));
        assert_eq!(kind(500, r#"{"ok":false,"error":"fatal_error"}"#), Some(Ambiguous));
        assert_eq!(kind(401, ""), Some(Credentials));
    }

    #[test]
    fn what_slack_says_beside_the_word_is_kept() {
        let posted = of_api(200, br#"{"ok":true,"ts":"1503435956.000247","warning":"missing_charset","response_metadata":{"warnings":["message_truncated","missing_charset"]}}"#);
        let warnings = ["message_truncated", "missing_charset"].map(str::to_owned).to_vec();
        assert_eq!(posted, Verdict::Posted { ts: Some("1503435956.000247".into()), warnings });
        // What is not as documented beside them does not make a posted message an unknown one.
        let odd = of_api(200, br#"{"ok":true,"ts":"1.2","warning":7,"response_metadata":[1]}"#);
        assert!(matches!(odd, Verdict::Posted { .. }), "{odd:?}");
        let body = br#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less",7]}}"#;
        assert_eq!(refusal(of_api(200, body)).details, ["[ERROR] must be less"]);
        let body =
            br#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"channels:read"}"#;
        assert_eq!(refusal(of_api(200, body)).details.len(), 2);
    }
}

//! What each word means that Slack answers with: to wait, to stop, or to give up on one message.
//!
//! Source: sections 1 and 2 of the Slack contract. Invariant: a word that speaks of credentials or of the destination
//! never costs an event, and a word that speaks of one message never stops the sink.

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Too many messages: wait as asked.
    Rate,
    /// The workspace takes no messages for minutes.
    Pause,
    /// Will pass; nothing was posted.
    Busy,
    /// Will pass, but the message may have been posted.
    Ambiguous,
    /// This message can never be posted.
    Message,
    /// This message can never be posted, and that is this program's fault.
    Request,
    /// The channel cannot be written to.
    Channel,
    /// The token, the webhook or the workspace.
    Credentials,
}

const RATE: &[&str] = &["ratelimited", "rate_limited"];
const PAUSE: &[&str] = &["message_limit_exceeded", "org_login_required", "team_added_to_org"];
const BUSY: &[&str] = &["service_unavailable", "request_timeout", "rollup_error"];
const AMBIGUOUS: &[&str] = &["internal_error", "fatal_error"];
const MESSAGE: &[&str] = &[
    "attachment_payload_limit_exceeded",
    "cannot_reply_to_message",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_payload",
    "markdown_text_conflict",
    "metadata_must_be_sent_from_app",
    "metadata_too_large",
    "missing_text_or_fallback_or_attachments",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
    "too_many_contact_cards",
];
const REQUEST: &[&str] = &[
    "invalid_arg_name",
    "invalid_arguments",
    "invalid_array_arg",
    "invalid_charset",
    "invalid_form_data",
    "invalid_post_type",
    "missing_post_type",
];
const CHANNEL: &[&str] = &[
    "channel_is_archived",
    "channel_not_found",
    "is_archived",
    "messages_tab_disabled",
    "no_permission",
    "not_in_channel",
    "posting_to_general_channel_denied",
    "team_not_found",
    "user_not_found",
];
const CREDENTIALS: &[&str] = &[
    "access_denied",
    "accesslimited",
    "account_inactive",
    "action_prohibited",
    "as_user_not_supported",
    "deprecated_endpoint",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "invalid_token",
    "method_deprecated",
    "missing_scope",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "not_allowed_token_type",
    "not_authed",
    "team_access_not_granted",
    "team_disabled",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
];

const TABLE: &[(Kind, &[&str])] = &[
    (Kind::Rate, RATE),
    (Kind::Pause, PAUSE),
    (Kind::Busy, BUSY),
    (Kind::Ambiguous, AMBIGUOUS),
    (Kind::Message, MESSAGE),
    (Kind::Request, REQUEST),
    (Kind::Channel, CHANNEL),
    (Kind::Credentials, CREDENTIALS),
];

/// Families of words, by their beginning, each under the one stable word that stands for it.
const FAMILIES: &[(&str, Kind)] = &[
    ("invalid_metadata_", Kind::Message),
    ("restricted_action", Kind::Channel),
    ("slack_connect_", Kind::Channel),
];

/// What a word is about, with the word itself where it is a stable one; `None` if it is not documented.
pub(crate) fn kind(word: &str) -> Option<(Kind, &'static str)> {
    let listed = TABLE.iter().find_map(|(kind, words)| Some((*kind, *words.iter().find(|it| **it == word)?)));
    let family = || FAMILIES.iter().find(|(start, _)| word.starts_with(start));
    listed.or_else(|| family().map(|(start, kind)| (*kind, start.trim_end_matches('_'))))
}

/// What a status is about, where the body has no word that is known; `None` if it says nothing either.
pub(crate) fn kind_of_status(status: u16) -> Option<(Kind, &'static str)> {
    Some(match status {
        429 => (Kind::Rate, "rate_limited"),
        408 | 425 | 500..=599 => (Kind::Busy, "server_error"),
        401 | 403 => (Kind::Credentials, "forbidden"),
        404 | 405 | 410 => (Kind::Credentials, "gone"),
        400..=499 => (Kind::Message, "rejected"),
        _ => return None,
    })
}

/// Whether a message was refused for its size.
pub(crate) fn is_too_large(word: &str) -> bool {
    ["attachment_payload_limit_exceeded", "metadata_too_large", "msg_blocks_too_long", "msg_too_long"]
        .contains(&word)
}

/// What a person can do about it.
pub(crate) fn help(word: &str) -> Option<&'static str> {
    Some(match word {
        "not_in_channel" | "no_permission" => "invite the app to the channel: `/invite @app`",
        "channel_not_found" => {
            "give the channel's id (`C…`); a private channel is found only after the app was invited to it"
        }
        "is_archived" | "channel_is_archived" => "unarchive the channel, or name another",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "give a bot token (`xoxb-…`) of an app that is installed in the workspace, and start again"
        }
        "not_allowed_token_type" => "give a bot token (`xoxb-…`)",
        "missing_scope" => "add the scope `chat:write` to the app and install it again",
        "invalid_token" | "no_service" | "no_service_id" | "no_active_hooks" | "gone" => {
            "the webhook was revoked or its app removed: make a new one, and start again"
        }
        "team_disabled" | "no_team" => "the workspace is gone or disabled",
        "action_prohibited" | "posting_to_general_channel_denied" | "restricted_action" => {
            "an administrator has restricted who may post there"
        }
        "user_not_found" => "the webhook's channel or user does not exist any more: make a new webhook",
        "message_limit_exceeded" => "the workspace has used up its limit of messages",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_listed_twice() {
        let mut words: Vec<_> = TABLE.iter().flat_map(|(_, words)| *words).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn families_go_by_their_beginning() {
        assert_eq!(kind("restricted_action_thread_only_channel"), Some((Kind::Channel, "restricted_action")));
        assert_eq!(kind("invalid_metadata_schema"), Some((Kind::Message, "invalid_metadata")));
        assert_eq!(kind("slack_connect_file_upload_sharing_blocked").unwrap().0, Kind::Channel);
        assert_eq!(kind("invalid_something"), None);
        assert_eq!(kind(""), None);
    }
}

//! Slack, as far as messages are posted to it: incoming webhooks and the Web API of a bot.
//!
//! Nothing happens here by itself: an account is a workspace with a few channels, and keeps what is posted to them.
//! The two ways in share the channels, the limit of each, and what a message may hold; they differ in how they refuse:
//! a webhook by a status and a word in plain text, the Web API by `ok: false` under status 200.

mod blocks;
mod post;
mod refusal;
mod web;
mod webhook;
mod workspace;

pub(crate) use refusal::{failure, refusal, word};
pub use workspace::PostedMessage;
pub(crate) use workspace::{Places, Workspace};

use crate::answer::Answer;
use crate::call::Call;
use crate::log::Credential;
use crate::server::Server;

/// Where the methods of the Web API are; every other path is that of a webhook.
const METHODS: &str = "/api/";

pub(crate) const SCOPES: &[&str] =
    &["chat:write", "chat:write.public", "chat:write.customize", "channels:read", "groups:read"];

/// Whether a path is one that messages are posted to.
pub(crate) fn posts(path: &str) -> bool {
    is_webhook(path) || path == web::POST_MESSAGE
}

fn is_webhook(path: &str) -> bool {
    !path.starts_with(METHODS)
}

/// Whose token or webhook a request carries, valid or not.
pub(crate) fn identify(server: &Server, call: &Call) -> (Credential, Option<u32>) {
    let owner = |name: &str| server.owner(name).map(|account| account.number);
    if is_webhook(&call.path) {
        return (Credential::Webhook, owner(&webhook::place(&call.path)));
    }
    match call.bearer() {
        Some(token) => (Credential::Token, owner(token)),
        None => (Credential::Missing, None),
    }
}

pub(crate) fn answer(server: &Server, call: &Call) -> Answer {
    if is_webhook(&call.path) {
        webhook::answer(server, call).unwrap_or_else(|refused| refused)
    } else {
        web::answer(server, call).unwrap_or_else(|refused| refused)
    }
}

//! Incoming webhooks, section 1 of the contract: the address is the secret, the channel is fixed, `ok` is all they say.

use serde_json::Value;

use super::post::Post;
use super::refusal::{Refusal, of_webhook, too_many};
use crate::account::Account;
use crate::answer::Answer;
use crate::call::Call;
use crate::credentials::{Credentials, webhook_path};
use crate::server::Server;

/// The path of a webhook in the form in which its owner is known; an installation by OAuth hands out the short form.
pub(super) fn place(path: &str) -> String {
    if path.starts_with("/services/") { path.to_owned() } else { format!("/services{path}") }
}

/// Either way an answer; the error is the one that ends a request early.
pub(super) fn answer(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = authenticate(server, call)?;
    let content_type = call.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if call.method != "POST" || !media_type.eq_ignore_ascii_case("application/json") {
        return Err(of_webhook("invalid_payload"));
    }
    server.admit(account).map_err(|seconds| too_many(call, seconds))?;
    let mut workspace = account.workspace.lock();
    let channel = workspace.places().channel.clone();
    let now = server.clock.elapsed();
    workspace.admit(&channel, now, server.options.rate).map_err(|seconds| too_many(call, seconds))?;
    let Ok(Value::Object(payload)) = serde_json::from_slice(&call.body) else {
        return Err(of_webhook("invalid_payload"));
    };
    let stored = Post::read(payload).and_then(|post| workspace.store(call, &channel, post, &server.clock));
    match stored {
        Ok(_) => {
            let mut answer = Answer::text(200, "ok");
            answer.events = 1;
            Ok(answer)
        }
        Err(refusal) => Err(of_webhook(word(&refusal))),
    }
}

/// Finds the workspace of a webhook, or says which part of its address is wrong.
fn authenticate<'a>(server: &'a Server, call: &Call) -> Result<&'a Account, Answer> {
    let place = place(&call.path);
    let parts: Vec<&str> = place.split('/').collect();
    let ["", "services", team, service, _] = parts[..] else {
        return Err(of_webhook("no_service_id"));
    };
    let Some(account) = server.owner(&place) else {
        let teams = &mut server.accounts.iter();
        let Some(account) = teams.find(|account| account.workspace.lock().places().team == team) else {
            return Err(of_webhook("no_team"));
        };
        let access = account.access.read();
        let known = matches!(&access.credentials, Credentials::Slack { webhook_url, .. }
            if webhook_path(webhook_url).split('/').nth(3) == Some(service));
        return Err(of_webhook(if known { "invalid_token" } else { "no_service" }));
    };
    let access = account.access.read();
    let current = matches!(&access.credentials, Credentials::Slack { webhook_url, .. }
        if webhook_path(webhook_url) == place);
    if access.revoked || !current {
        return Err(of_webhook("no_service"));
    }
    Ok(account)
}

/// The word of a webhook for what the Web API says in more of them.
fn word(refusal: &Refusal) -> &'static str {
    match refusal.word {
        word @ ("no_text"
        | "invalid_blocks"
        | "too_many_attachments"
        | "missing_text_or_fallback_or_attachments") => word,
        "invalid_blocks_format" | "msg_blocks_too_long" => "invalid_blocks",
        _ => "invalid_payload",
    }
}

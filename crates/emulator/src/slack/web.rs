//! The Web API, section 2 of the contract: `chat.postMessage`, and what tells a bot whether it may post.

use serde_json::{Map, Value, json};

use super::post::Post;
use super::refusal::{Refusal, of_method, too_many};
use super::workspace::Channel;
use crate::account::Account;
use crate::answer::Answer;
use crate::call::Call;
use crate::credentials::Credentials;
use crate::server::Server;

pub(super) const POST_MESSAGE: &str = "/api/chat.postMessage";
const AUTH_TEST: &str = "/api/auth.test";
const CONVERSATIONS_INFO: &str = "/api/conversations.info";

/// The arguments that are JSON, which a form carries as text.
const STRUCTURED: [&str; 3] = ["blocks", "attachments", "metadata"];
const FLAGS: [&str; 6] =
    ["reply_broadcast", "unfurl_links", "unfurl_media", "link_names", "mrkdwn", "as_user"];

/// Either way an answer; the error is the one that ends a request early.
pub(super) fn answer(server: &Server, call: &Call) -> Result<Answer, Answer> {
    match call.path.as_str() {
        POST_MESSAGE => post_message(server, call),
        AUTH_TEST => auth_test(server, call),
        CONVERSATIONS_INFO => conversations_info(server, call),
        _ => Err(of_method("unknown_method", &[])),
    }
}

/// The account of a valid token, within its requests per minute.
fn authenticate<'a>(server: &'a Server, call: &Call) -> Result<&'a Account, Answer> {
    let given = call.bearer().ok_or_else(|| of_method("not_authed", &[]))?;
    let account = server.owner(given).ok_or_else(|| of_method("invalid_auth", &[]))?;
    {
        let access = account.access.read();
        let valid = matches!(&access.credentials, Credentials::Slack { token, .. } if token == given);
        if !valid || access.revoked {
            return Err(of_method("token_revoked", &[]));
        }
    }
    server.admit(account).map_err(|seconds| too_many(call, seconds))?;
    Ok(account)
}

fn require(account: &Account, scope: &str) -> Result<(), Answer> {
    if account.has_scope(scope) {
        return Ok(());
    }
    let provided = account.access.read().scopes.join(",");
    let body = json!({ "ok": false, "error": "missing_scope", "needed": scope, "provided": provided });
    Err(Answer::json(200, &body))
}

fn auth_test(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = authenticate(server, call)?;
    let workspace = account.workspace.lock();
    let places = workspace.places();
    let body = json!({
        "ok": true, "url": "https://example.slack.com/", "team": "Example", "user": "sluice",
        "team_id": places.team, "user_id": places.bot_user, "bot_id": places.bot,
    });
    Ok(Answer::json(200, &body))
}

fn conversations_info(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = authenticate(server, call)?;
    let (arguments, _) = match call.method.as_str() {
        "GET" => (strings(call.parameters()), None),
        _ => arguments(call)?,
    };
    let wanted = arguments.get("channel").and_then(Value::as_str).unwrap_or_default();
    let workspace = account.workspace.lock();
    let found = workspace.channel(wanted).filter(|channel| channel.member || !channel.private);
    let channel = found.ok_or_else(|| of_method("channel_not_found", &[]))?;
    require(account, if channel.private { "groups:read" } else { "channels:read" })?;
    let body = json!({ "ok": true, "channel": {
        "id": channel.id, "name": channel.name, "is_channel": !channel.private, "is_private": channel.private,
        "is_archived": channel.archived, "is_member": channel.member,
    } });
    Ok(Answer::json(200, &body))
}

fn post_message(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let account = authenticate(server, call)?;
    require(account, "chat:write")?;
    let (arguments, warning) = arguments(call)?;
    if ["username", "icon_emoji", "icon_url"].iter().any(|name| arguments.contains_key(*name)) {
        require(account, "chat:write.customize")?;
    }
    let mut workspace = account.workspace.lock();
    let wanted = arguments.get("channel").and_then(Value::as_str).unwrap_or_default();
    let channel = match workspace.channel(wanted) {
        Some(channel) => may_post(account, channel)?.to_owned(),
        None => workspace.direct(wanted).ok_or_else(|| of_method("channel_not_found", &[]))?,
    };
    let now = server.clock.elapsed();
    workspace.admit(&channel, now, server.options.rate).map_err(|seconds| too_many(call, seconds))?;
    let stored = Post::read(arguments).and_then(|post| {
        let truncated = post.truncated;
        let message = workspace.store(call, &channel, post, &server.clock)?;
        Ok((message, truncated))
    });
    let (message, truncated) = stored.map_err(|Refusal { word, messages }| of_method(word, &messages))?;
    let mut body = json!({ "ok": true, "channel": channel, "ts": message["ts"], "message": message });
    let warnings: Vec<&str> = warning.into_iter().chain(truncated.then_some("message_truncated")).collect();
    if !warnings.is_empty() {
        body["warning"] = warnings.join(",").into();
        body["response_metadata"] = json!({ "warnings": warnings });
    }
    let mut answer = Answer::json(200, &body);
    answer.events = 1;
    Ok(answer)
}

/// Where the bot may post, the id of the channel.
fn may_post<'a>(account: &Account, channel: &'a Channel) -> Result<&'a str, Answer> {
    let word = match channel {
        Channel { private: true, member: false, .. } => "channel_not_found",
        Channel { archived: true, .. } => "is_archived",
        Channel { member: false, .. } if !account.has_scope("chat:write.public") => "not_in_channel",
        Channel { id, .. } => return Ok(id),
    };
    Err(of_method(word, &[]))
}

/// The arguments in the body, and a warning about how they came.
fn arguments(call: &Call) -> Result<(Map<String, Value>, Option<&'static str>), Answer> {
    let refused = |word| of_method(word, &[]);
    let content_type = call.header("content-type").ok_or_else(|| refused("missing_post_type"))?;
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let charset = parameters.split_once('=').map(|(_, charset)| charset.trim().trim_matches('"'));
    if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(refused("invalid_charset"));
    }
    let json = match media_type.trim().to_ascii_lowercase().as_str() {
        "application/json" => true,
        "application/x-www-form-urlencoded" => false,
        _ => return Err(refused("invalid_post_type")),
    };
    if call.method != "POST" {
        return Err(refused("invalid_post_type"));
    }
    if json {
        let Ok(Value::Object(arguments)) = serde_json::from_slice(&call.body) else {
            return Err(refused("invalid_arguments"));
        };
        return Ok((arguments, charset.is_none().then_some("missing_charset")));
    }
    if std::str::from_utf8(&call.body).is_err() {
        return Err(refused("invalid_form_data"));
    }
    let pairs = url::form_urlencoded::parse(&call.body).into_owned().collect();
    Ok((from_form(pairs)?, charset.is_some().then_some("superfluous_charset")))
}

fn strings(pairs: Vec<(String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// Gives the fields of a form the types that they would have in JSON.
fn from_form(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, Answer> {
    let mut arguments = strings(pairs);
    for (name, value) in &mut arguments {
        let text = value.as_str().unwrap_or_default();
        if STRUCTURED.contains(&name.as_str()) {
            let word = if name == "blocks" { "invalid_blocks_format" } else { "invalid_array_arg" };
            *value = serde_json::from_str(text).map_err(|_| of_method(word, &[]))?;
        } else if FLAGS.contains(&name.as_str()) {
            *value = Value::Bool(matches!(text, "true" | "1"));
        }
    }
    Ok(arguments)
}

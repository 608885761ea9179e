//! What `check --connect` asks Slack: whose token it is, what it may do, and whether the channel is there.
//!
//! Source: the methods `auth.test` and `conversations.info` of the Web API. Invariant: nothing is posted.

use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sluicebox_core::{Context, Error, Probe, Result};
use sluicebox_http::{Answer, BaseUrl, Call, Client, Limits};

use super::SlackSpec;
use super::endpoint::Endpoint;
use super::words::{self, Kind};

const LIMITS: Limits =
    Limits { read: Duration::from_secs(5), total: Duration::from_secs(5), body_bytes: 256 << 10 };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    ok: bool,
    error: String,
    team: String,
    user: String,
    channel: Channel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Channel {
    name: String,
    is_archived: bool,
    is_member: Option<bool>,
}

/// Asks.
pub(crate) async fn run(spec: &SlackSpec, cx: &Context) -> Probe {
    let mut probe = Probe::new();
    let endpoint = match Endpoint::of(spec) {
        Ok(endpoint) => endpoint,
        Err(problems) => {
            for problem in problems {
                probe.wrong("options", Error::config(problem.message));
            }
            return probe;
        }
    };
    let asked = match endpoint.channel() {
        Some(channel) => api(&endpoint, channel, cx, &mut probe).await,
        None => webhook(&endpoint, cx, &mut probe).await,
    };
    if let Err(error) = asked {
        let option = if spec.webhook_url.is_some() { "webhook_url" } else { "base_url" };
        let help = format!("check `{option}`, and that this machine can reach it");
        probe.wrong("server", if error.help().is_some() { error } else { error.with_help(help) });
    }
    probe
}

/// A webhook answers to nothing but a message.
async fn webhook(endpoint: &Endpoint, cx: &Context, probe: &mut Probe) -> Result<()> {
    let origin = endpoint.base().origin();
    let base_url = BaseUrl::parse(&origin).map_err(Error::config)?;
    let options = sluicebox_http::ClientOptions { base_url, ..endpoint.options(LIMITS) };
    match Client::new(options, cx)?.get("/").await {
        Err(error) if error.reason() != "redirected" => return Err(error),
        _ => probe.fine("server", format!("{origin} answers")),
    }
    probe.doubtful(
        "webhook",
        "whether it is still valid shows only when a message is posted",
        "post one by hand, or use `token` and `channel`, which can be asked",
    );
    Ok(())
}

async fn api(endpoint: &Endpoint, channel: &str, cx: &Context, probe: &mut Probe) -> Result<()> {
    let client = Client::new(endpoint.options(LIMITS), cx)?;
    let answer = client.send(Call::new(Method::POST, "/auth.test")).await?;
    probe.fine("server", format!("{} answers", endpoint.base().origin()));
    let body = read(&client, &answer)?;
    if !body.ok {
        let (word, help) = (client.quote(&body.error), words::help(&body.error));
        let known = words::kind(&body.error).is_some_and(|(kind, _)| kind == Kind::Credentials);
        let message = format!("asking whose token it is failed: Slack says `{word}`");
        if known {
            probe.wrong("credentials", help.into_iter().fold(Error::auth(message), Error::with_help));
        } else {
            probe.doubtful("credentials", message, "try again later");
        }
        return Ok(());
    }
    probe.fine("credentials", client.quote(&format!("{} in {}", body.user, body.team)));
    let scopes = scopes(&answer);
    ask_scopes(scopes.as_deref(), probe);
    if !channel.starts_with(['C', 'D', 'G', 'U'])
        || channel.contains(|sign: char| !sign.is_ascii_alphanumeric())
    {
        let message = format!("`{channel}` is a name, and names can change");
        probe.doubtful(
            "channel",
            message,
            "give the channel's id (`C…`): at the foot of the channel's details",
        );
        return Ok(());
    }
    let target = format!("/conversations.info?channel={}", utf8_percent_encode(channel, NON_ALPHANUMERIC));
    let answer = client.get(&target).await?;
    let body = read(&client, &answer)?;
    ask_channel((channel, &client.quote(&body.channel.name)), &body, scopes.as_deref(), probe);
    Ok(())
}

fn read(client: &Client, answer: &Answer) -> Result<Body> {
    if answer.status == 429 {
        return Ok(Body { error: "ratelimited".to_owned(), ..Body::default() });
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        let (status, start) = (answer.status.as_u16(), client.excerpt(answer));
        Error::config(format!("the answer (status {status}) is not Slack's: {start}"))
            .with_help("check `base_url`")
            .with_cause(error)
    })
}

fn scopes(answer: &Answer) -> Option<Vec<String>> {
    let list = answer.headers.get("x-oauth-scopes")?.to_str().ok()?;
    Some(list.split(',').map(|scope| scope.trim().to_owned()).collect())
}

fn has(scopes: Option<&[String]>, name: &str) -> bool {
    scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == name))
}

fn ask_scopes(scopes: Option<&[String]>, probe: &mut Probe) {
    if scopes.is_none() {
        probe.doubtful("scopes", "Slack does not say what the token may do", "it needs `chat:write`");
    } else if has(scopes, "chat:write") {
        probe.fine("scopes", "chat:write");
    } else {
        let error = Error::auth("the token may not post: it has no scope `chat:write`");
        probe.wrong("scopes", error.with_help("add the scope to the app and install it again"));
    }
}

fn ask_channel((id, name): (&str, &str), body: &Body, scopes: Option<&[String]>, probe: &mut Probe) {
    let help = words::help(&body.error).unwrap_or("see that the bot is in the channel");
    match body.error.as_str() {
        "" if body.ok => {}
        "channel_not_found" => {
            return probe
                .wrong("channel", Error::config(format!("there is no channel {id}")).with_help(help));
        }
        "missing_scope" => {
            let message = "the token may not look at channels, so only a message shows whether it is there";
            let help =
                "add the scope `channels:read` (or `groups:read`), or see that the bot is in the channel";
            return probe.doubtful("channel", message, help);
        }
        word => {
            let word: String = word.chars().filter(|sign| !sign.is_control()).take(100).collect();
            return probe.doubtful("channel", format!("asking for it failed: Slack says `{word}`"), help);
        }
    }
    if body.channel.is_archived {
        let error = Error::config(format!("the channel {name} is archived"));
        return probe.wrong("channel", error.with_help("unarchive it, or name another"));
    }
    if body.channel.is_member == Some(false) && !has(scopes, "chat:write.public") {
        let error = Error::config(format!("the bot is not in the channel {name}"));
        return probe.wrong("channel", error.with_help("invite the app to the channel: `/invite @app`"));
    }
    probe.fine("channel", name);
}

//! Where messages go: a webhook, or a channel behind the Web API.
//!
//! Source: section 7 of the Slack contract. Invariant: credentials are sent to Slack's own hosts only, or to this
//! machine, and no problem or error repeats them.

use sluicebox_core::{Context, Problem, Secret};
use sluicebox_http::{Auth, BaseUrl, ClientOptions, Limits, Rate};

use super::SlackSpec;
use super::destination::Destination;

/// Hosts of incoming webhooks, as origins.
const WEBHOOK_ORIGINS: [&str; 2] = ["https://hooks.slack.com", "https://hooks.slack-gov.com"];
/// Hosts of the Web API, as origins.
const API_ORIGINS: [&str; 2] = ["https://slack.com", "https://slack-gov.com"];

/// Where messages go, and with what right.
pub(crate) enum Endpoint {
    Webhook { base: BaseUrl, url: Secret },
    Channel { base: BaseUrl, token: Secret, channel: String },
}

impl Endpoint {
    /// What the options name.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn of(spec: &SlackSpec) -> Result<Self, Vec<Problem>> {
        let one = |problem| Err(vec![problem]);
        match (&spec.webhook_url, &spec.token) {
            (Some(url), None) => {
                if spec.channel.is_some() {
                    return one(Problem::new("channel", "a webhook has its own channel")
                        .with_help("leave `channel` out, or use `token` instead of `webhook_url`"));
                }
                let base = BaseUrl::secret(url.expose()).and_then(|base| at_home(base, &WEBHOOK_ORIGINS));
                let base = base.map_err(|message| vec![Problem::new("webhook_url", message)])?;
                Ok(Self::Webhook { base, url: url.clone() })
            }
            (None, Some(token)) => {
                let channel = spec.channel.as_deref().map(str::trim).filter(|channel| !channel.is_empty());
                let Some(channel) = channel else {
                    return one(Problem::new("token", "`channel` is missing").with_help(
                        "the channel's id, like `C012AB3CD`: at the foot of the channel's details",
                    ));
                };
                let base = BaseUrl::parse(&spec.base_url).and_then(|base| at_home(base, &API_ORIGINS));
                let base = base.map_err(|message| vec![Problem::new("base_url", message)])?;
                Ok(Self::Channel { base, token: token.clone(), channel: channel.to_owned() })
            }
            (Some(_), Some(_)) => {
                one(Problem::new("token", "only one of `webhook_url` and `token` can be given"))
            }
            (None, None) => one(Problem::new("", "`webhook_url`, or `token` and `channel`, is missing")),
        }
    }

    /// The channel that has to be named in a request.
    pub(crate) fn channel(&self) -> Option<&str> {
        match self {
            Self::Webhook { .. } => None,
            Self::Channel { channel, .. } => Some(channel),
        }
    }

    /// Where it lives.
    pub(crate) fn base(&self) -> &BaseUrl {
        let (Self::Webhook { base, .. } | Self::Channel { base, .. }) = self;
        base
    }

    /// The client that posts. Its own budget does not limit: the destination does.
    pub(crate) fn options(&self, limits: Limits) -> ClientOptions {
        let auth = match self {
            Self::Webhook { .. } => None,
            Self::Channel { token, .. } => Some(Auth::Bearer(token.clone())),
        };
        ClientOptions { base_url: self.base().clone(), auth, rate: Rate::Unlimited, limits }
    }

    /// The queue in front of it, shared with every other sink that writes there.
    pub(crate) fn destination(&self, rate: Rate, cx: &Context) -> Destination {
        match self {
            Self::Webhook { url, .. } => Destination::webhook(url.expose(), rate, &cx.environment),
            Self::Channel { base, token, channel } => {
                Destination::channel((&base.origin(), token.expose()), channel, rate, &cx.environment)
            }
        }
    }
}

/// The address, if it is one of Slack's or this machine's.
fn at_home(base: BaseUrl, origins: &[&str]) -> Result<BaseUrl, String> {
    if base.is_loopback() || origins.contains(&base.origin().as_str()) {
        return Ok(base);
    }
    Err(format!("expected an address at {}", origins.join(" or ")))
}

//! What an emulator is asked to be: which API, how many events, how fast, how strict and how broken.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::EmulatorError;
use crate::faults::Fault;
use crate::opentrain::address;

/// An API that can be emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// The marketplace: `GET /api/public/v1/updates`, polled with a numeric cursor.
    OpenTrain,
    /// The team chat: `GET /v2/updates`, long-polled with an opaque offset.
    Zenzap,
    /// The workspace that messages are posted to: incoming webhooks and `chat.postMessage`.
    Slack,
}

impl fmt::Display for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OpenTrain => "opentrain",
            Self::Zenzap => "zenzap",
            Self::Slack => "slack",
        })
    }
}

impl FromStr for Api {
    type Err = EmulatorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "opentrain" => Ok(Self::OpenTrain),
            "zenzap" => Ok(Self::Zenzap),
            "slack" => Ok(Self::Slack),
            _ => Err(EmulatorError::UnknownApi { name: text.to_owned() }),
        }
    }
}

/// How a Zenzap bot is set up to receive its updates; polling one that is in webhook mode answers 409.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Updates are polled.
    Polling,
    /// Updates are pushed, hence cannot be polled.
    Webhook,
}

/// Everything that can be chosen before [`start`](crate::start); begin with [`Options::new`] and set fields.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API to serve.
    pub api: Api,
    /// Where to listen; only loopback addresses are accepted, port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// How many events the feed of each account holds in total. Default 1000.
    pub events: u64,
    /// Events that become visible per second and account; 0 shows all at once. Default 0. For Slack, messages that a
    /// channel takes per second before it is answered 429; 0 is no limit, and the default is 1.
    pub rate: f64,
    /// The seed of everything that is generated; equal seeds give equal bytes. Default 1.
    pub seed: u64,
    /// Faults that are on from the start. Default none.
    pub faults: Vec<Fault>,
    /// How many accounts are served, each with credentials and a feed of its own. Default 1.
    pub accounts: u32,
    /// How long an OAuth access token lives (Zenzap). Default one hour.
    pub token_lifetime: Duration,
    /// The scopes that every credential holds; `None` means all that the API knows. Default `None`.
    pub scopes: Option<Vec<String>>,
    /// Waited before every answer. Default zero.
    pub latency: Duration,
    /// How many of the newest visible updates stay addressable (Zenzap); an older offset is answered 409. Default all.
    pub retention: Option<u64>,
    /// The delivery mode of the bot (Zenzap). Default polling.
    pub delivery_mode: DeliveryMode,
    /// How far the clock of the server is ahead of the clock of this machine, in seconds; negative is behind. Default 0.
    pub clock_skew: i64,
    /// Requests that an account may make in a minute before it is answered 429. Default no limit.
    pub requests_per_minute: Option<u32>,
    /// How long the edge keeps an answer of `/jobs/changes` fresh; stale, it is given once more within twelve times as
    /// long (OpenTrain). Zero keeps none. Default 300 seconds, as the contract says.
    pub edge_cache: Duration,
    /// Most messages in a page of a conversation, however many are asked for (OpenTrain). Default 100, the most that can
    /// be asked for.
    pub message_page: usize,
    /// An address of this machine that every event of account 0 is posted to from the start (OpenTrain); more are made
    /// with `POST /webhooks`. Default none.
    pub webhook: Option<String>,
    /// Serves the attachments of messages (Zenzap), each by a link that is good for so long from when its event is
    /// generated. None: the links lead to a host that does not exist, and equal seeds give equal bytes on every machine.
    /// Default none.
    pub attachments: Option<Duration>,
    /// How long a minute of the waits between attempts of a webhook takes (OpenTrain): the contract waits 1, 5, 30 and
    /// 120 of them. Default one minute.
    pub webhook_minute: Duration,
    /// Generate every event before [`start`](crate::start) returns, instead of when it is first needed. Default off.
    pub prerender: bool,
}

impl Options {
    /// The defaults named at each field.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            events: 1000,
            rate: if api == Api::Slack { 1.0 } else { 0.0 },
            seed: 1,
            faults: Vec::new(),
            accounts: 1,
            token_lifetime: Duration::from_secs(3600),
            scopes: None,
            latency: Duration::ZERO,
            retention: None,
            delivery_mode: DeliveryMode::Polling,
            clock_skew: 0,
            requests_per_minute: None,
            edge_cache: Duration::from_secs(300),
            message_page: 100,
            webhook: None,
            attachments: None,
            webhook_minute: Duration::from_secs(60),
            prerender: false,
        }
    }

    /// Refuses what cannot be served: an address beyond this machine, no account, a rate that is no rate.
    pub(crate) fn check(&self) -> Result<(), EmulatorError> {
        if !self.listen.ip().is_loopback() {
            return Err(EmulatorError::NotLoopback { address: self.listen });
        }
        if self.accounts == 0 {
            return Err(EmulatorError::NoAccounts);
        }
        if self.attachments.is_some() && self.api != Api::Zenzap {
            return Err(EmulatorError::NoAttachments { api: self.api });
        }
        if self.webhook.is_some() && self.api != Api::OpenTrain {
            return Err(EmulatorError::NoWebhooks { api: self.api });
        }
        if let Some(url) = self.webhook.as_ref().filter(|url| address(url).is_none()) {
            return Err(EmulatorError::Webhook { url: url.clone() });
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(EmulatorError::Rate { rate: self.rate });
        }
        Ok(())
    }
}

//! The `zenzap_updates` source: its options, which are its reference page.
//!
//! Source: the Zenzap contract. Invariant: what the API would refuse or misread (ranges, a path in the base URL, which
//! would be signed wrongly) is refused when the file is checked.

mod attachments;
mod conflict;
mod decode;
mod feed;
mod own;
mod probe;
mod pushed;
mod status;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, ListensOn, Period, Probe, Problem, Reject,
    Result, SourceClass, SourceSpec,
};
use sluicebox_http::{Auth, BaseUrl, Client, ClientOptions, Limits, Rate};
use sluicebox_polling::quiet;

use crate::item::Origin;
use crate::{Start, asking};
use attachments::Attachments;
pub use attachments::{AttachmentType, ObjectStore, ZenzapAttachments};
use feed::ZenzapFeed;
pub use pushed::ZenzapWebhook;

/// Long-polls the updates of a Zenzap bot: messages, reactions, members, topics, polls.
///
/// Reads `GET /v2/updates`. Every item of `updates[]` becomes one event, byte for byte; `meta.id` is
/// `zenzap:<account>:<updateId>`, `meta.type` its `eventType`, `meta.time` its `createdAt`, `meta.key` the topic
/// (`data.topicId` or `data.message.topicId`), else the account. Event types that are not documented pass like all
/// others.
///
/// The bot must be set to *polling* in the Zenzap console; in webhook mode the source pauses. Only one poller may read
/// a bot: two would each see part of the updates. With `oauth`, the bot needs the scope `updates:read`; with
/// `drop_own`, `member:read` too.
///
/// With `webhook:`, for a bot in *webhook* mode, nothing is polled: signed deliveries (packed or not) are written to an
/// inbox beside the pipeline's state before Zenzap is answered, and every event looks as if it had been polled, with the
/// id of the webhook event as `updateId`. Then the source is pushed: at least once, repeats known by the id of the
/// delivery; `limit`, `timeout`, `interval`, `start` and `on_offset_expired` have no meaning.
///
/// How long Zenzap keeps updates is not documented, so the next page is asked for only when this one is durable in
/// every sink. An offset that is no longer available is a gap: it is logged as an error, counted in
/// `sluicebox_source_gap_total`, and `on_offset_expired` decides what follows.
///
/// Attachments. Links to files expire after an hour. With `attachments: { download: <folder> }` (or a bucket, `s3://…`) each file is fetched
/// before its event goes on, without credentials, and only once: a file that is there is whole, and is found again when the
/// event comes again. Every attachment of a message then has `download`, and is an object, also where Zenzap sent a link
/// alone:
///
/// ```json
/// { "id": "att_1", "name": "plan.png", "url": "https://…",
///   "download": { "status": "ok", "path": "data/attachments/acme/att_1/plan.png", "bytes": 41320, "sha256": "9f2c…" } }
/// ```
///
/// The status is `ok`; `expired` (the link is dead: 403, 404, 410); `too_large`; `skipped` (not one of the `types`); or
/// `failed`: these have a `reason` in place of the path. What may pass (5xx, timeouts) is tried again, with the page, for
/// `max_elapsed`; then the event goes on with `failed`, and while the file server stays down a page waits for one round of
/// attempts only. A full disk holds the feed until there is room.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "auth": { "api_key": { "key": "${ZENZAP_KEY}", "secret": "${ZENZAP_SECRET}" } }
}))]
pub struct ZenzapUpdates {
    /// Where the API lives, without a path: `https://api.zenzap.co`, or `https://api.us.zenzap.co` for the US region.
    #[serde(default = "default_base_url")]
    #[schemars(example = "https://api.us.zenzap.co")]
    pub base_url: String,
    /// The bot's credentials: `api_key: { key, secret }`, or `oauth: { client_id, client_secret, scope }`.
    pub auth: Auth,
    /// Updates per page.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: u32,
    /// How long the server may hold a poll while there is nothing new: whole seconds, 0s to 30s.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Longest pause between polls that come back empty too early (or at all, with `timeout: 0s`); at least 1s.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// Where the very first poll begins: `beginning` (all that Zenzap offers), `now`, or `{ cursor: "…" }`.
    #[serde(default)]
    pub start: Start,
    /// What to do when the saved offset is no longer available.
    #[serde(default)]
    pub on_offset_expired: OnOffsetExpired,
    /// Whether to leave out messages that the bot itself wrote, so that a pipeline that answers does not hear itself.
    #[serde(default)]
    pub drop_own: bool,
    /// Requests per minute with a burst as large, or `unlimited`; look-ups with `same_as` count.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
    /// Takes webhooks in place of polling, for a bot in webhook mode: `{ listen, path, secrets, max_body, inbox }`.
    #[serde(default)]
    #[schemars(example = serde_json::json!({
        "listen": "127.0.0.1:8080", "path": "/hooks/zenzap", "secrets": ["${ZENZAP_SECRET}"]
    }))]
    pub webhook: Option<ZenzapWebhook>,
    /// Fetches the files that messages link to before the links expire: `{ download, s3, max_size, types, timeout,
    /// max_elapsed }`. See "Attachments" above.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "download": "data/attachments", "max_size": "25MiB" }))]
    pub attachments: Option<ZenzapAttachments>,
}

/// What follows an offset that is no longer available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOffsetExpired {
    /// Go on with what Zenzap still has; the gap is logged and counted.
    #[default]
    Reset,
    /// Pause until a person decides.
    Stop,
}

fn default_base_url() -> String {
    "https://api.zenzap.co".to_owned()
}

fn default_limit() -> u32 {
    50
}

fn default_timeout() -> Period {
    Period::from_secs(20)
}

fn default_interval() -> Period {
    Period::from_secs(15)
}

fn default_rate() -> Rate {
    Rate::per_minute(900)
}

fn default_max_body() -> ByteSize {
    ByteSize(16 << 20)
}

impl ZenzapUpdates {
    /// A held poll is silent for up to `timeout`; the margin keeps us from giving up on healthy ones.
    fn limits(&self) -> Limits {
        let read = self.timeout.0 + Duration::from_secs(15);
        Limits { read, total: read + Duration::from_secs(45), body_bytes: self.max_body.as_usize() }
    }

    fn check_address(&self) -> Option<Problem> {
        match BaseUrl::parse(&self.base_url) {
            Err(message) => Some(Problem::new("base_url", message)),
            Ok(url) if url.has_path() => {
                let problem = Problem::new("base_url", "expected an address without a path");
                Some(problem.with_help(
                    "Zenzap checks the signature against its own paths: use `https://api.zenzap.co`",
                ))
            }
            Ok(_) => None,
        }
    }

    fn check_auth(&self) -> Option<Problem> {
        let scheme = match &self.auth {
            Auth::SameAs(_) => {
                let message = "a source needs credentials of its own: two pollers of one bot would each see part of its updates";
                return Some(Problem::new("auth.same_as", message));
            }
            Auth::Basic(_) => "basic",
            Auth::Header(_) => "header",
            Auth::Hmac(_) => "hmac",
            Auth::Webhook(_) => "webhook",
            Auth::Bearer(_) | Auth::ApiKey(_) | Auth::OAuth(_) => {
                return self.auth.problem().map(|message| Problem::new("auth", message));
            }
        };
        let problem = Problem::new(format!("auth.{scheme}"), format!("Zenzap does not know `{scheme}`"));
        Some(problem.with_help(
            "use `api_key: { key, secret }` or `oauth: { client_id, client_secret }`, as the Zenzap console shows them",
        ))
    }

    /// What fetches the attachments of this account, if they are wanted.
    fn attachments(&self, client: &Client, cx: &Context) -> Result<Option<Attachments>> {
        let options = self.attachments.as_ref();
        options.map(|options| Attachments::new(options, client.base_url().clone(), cx)).transpose()
    }

    /// The client of this account, published for `same_as`.
    fn client(&self, cx: &Context) -> Result<Arc<Client>> {
        if let Some(problem) = self.check_address() {
            return Err(Error::config(problem.message));
        }
        let base_url = BaseUrl::parse(&self.base_url).map_err(Error::config)?;
        let options =
            ClientOptions { base_url, auth: Some(self.auth.clone()), rate: self.rate, limits: self.limits() };
        let client = Client::new(options, cx)?;
        client.publish(cx);
        Ok(client)
    }
}

#[async_trait]
impl SourceSpec for ZenzapUpdates {
    const TYPE: &'static str = "zenzap_updates";

    fn class(&self) -> SourceClass {
        if self.webhook.is_some() { SourceClass::Push } else { SourceClass::ConfirmOnRead }
    }

    fn listens(&self) -> bool {
        self.webhook.is_some()
    }

    fn listens_on(&self) -> Option<ListensOn> {
        self.webhook.as_ref()?.listens_on()
    }

    fn api(&self) -> Option<&'static str> {
        Some("zenzap")
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.check_address().into_iter().collect();
        problems.extend(self.check_auth());
        problems.extend(self.webhook.iter().flat_map(ZenzapWebhook::problems));
        problems.extend(self.attachments.iter().flat_map(ZenzapAttachments::problems));
        if !(1..=100).contains(&self.limit) {
            problems.push(Problem::new("limit", format!("expected 1 to 100, found {}", self.limit)));
        }
        let timeout = self.timeout.0;
        if timeout > Duration::from_secs(30) || timeout.subsec_nanos() != 0 {
            let message = format!("expected whole seconds, 0s to 30s, found {}", self.timeout);
            problems.push(Problem::new("timeout", message));
        }
        if self.interval.0 < Duration::from_secs(1) {
            problems.push(Problem::new("interval", format!("expected at least 1s, found {}", self.interval)));
        }
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        let update = decode::update(item, &Origin::new("zenzap", cx), cx.environment.clock.now(), None);
        update.map(|update| update.event).transpose()
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        if let Some(webhook) = &self.webhook {
            return pushed::build(&self, webhook, cx).await;
        }
        let client = self.client(cx)?;
        let attachments = self.attachments(&client, cx)?;
        Ok(BuiltSource::single(ZenzapFeed::new(&self, client, attachments, cx)))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        match self.client(cx) {
            Ok(client) => probe::probe(self, &client, cx).await,
            Err(error) => asking::impossible(error),
        }
    }
}

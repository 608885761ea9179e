//! The `opentrain_updates` source: its options, which are its reference page.
//!
//! Source: the OpenTrain contract. Invariant: what the API would refuse (a limit out of range, a cursor that is no
//! number) is refused when the file is checked.

mod decode;
mod feed;
mod probe;
mod progress;
mod scopes;
mod status;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, ListensOn, Period, Probe, Problem, Reject,
    Result, Secret, SourceClass, SourceSpec,
};
use sluicebox_http::{Auth, BaseUrl, Client, ClientOptions, Limits, Rate};
use sluicebox_webhooks::{Bell, BellOptions, Scheme, check_endpoint, listen};

use crate::item::Origin;
use crate::{Start, asking};
use feed::OpenTrainFeed;
pub(crate) use status::said;

/// Polls the events of an OpenTrain account: proposals, messages, contracts, milestones, payments, approvals.
///
/// Reads `GET /updates` oldest first. Every item of `events[]` becomes one event, byte for byte; `meta.id` is
/// `opentrain:<account>:<id>`, `meta.type` its `type`, `meta.time` its `createdAt`, `meta.key` the account. Events carry
/// ids and states, not content: `http_lookup` with `enrich: opentrain` and `auth: { same_as: <this source> }` adds it.
///
/// The token needs at least one of the scopes `proposals:read`, `messages:read` and `payments:read`. Event types whose
/// scope is missing are left out by the API without a word; the granted scopes are logged at start.
///
/// With `webhook:` the feed stays the ledger and a webhook is its bell: a delivery that is verified is answered 200 at
/// once and wakes the poll, so that events arrive within a second although `interval` is minutes. Nothing depends on a
/// delivery. Such polls come out of `rate` as all others do.
///
/// An unknown or expired token, a missing scope or a refused cursor pauses the source with its cursor kept. A token
/// that came from a file (`${file:…}`) is read again once before that.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "token": "${OPENTRAIN_TOKEN}" }))]
pub struct OpenTrainUpdates {
    /// Where the API lives, with `/api/public/v1`.
    #[serde(default = "default_base_url")]
    #[schemars(example = "https://app.opentrain.ai/api/public/v1")]
    pub base_url: String,
    /// The access token (`ot_pat_…`). Short for `auth: { bearer: … }`.
    #[serde(default)]
    #[schemars(example = "${OPENTRAIN_TOKEN}")]
    pub token: Option<Secret>,
    /// The credentials, if not given as `token`; OpenTrain knows `bearer` only.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Events per page.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: u32,
    /// Time between two polls while there is nothing new, give or take ten percent; at least 1s.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// Where the very first poll begins: `beginning`, `now`, or `{ cursor: "1041" }` for what came after event 1041.
    #[serde(default)]
    pub start: Start,
    /// Requests per minute with a burst as large, or `unlimited`; look-ups with `same_as` count.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
    /// Where OpenTrain's webhooks ring: `{ listen, path, secrets, max_body }`.
    #[serde(default)]
    #[schemars(example = serde_json::json!({
        "listen": "127.0.0.1:8080", "path": "/hooks/opentrain", "secrets": ["${OPENTRAIN_WEBHOOK_SECRET}"]
    }))]
    pub webhook: Option<BellOptions>,
}

fn default_base_url() -> String {
    "https://app.opentrain.ai/api/public/v1".to_owned()
}

fn default_limit() -> u32 {
    100
}

fn default_interval() -> Period {
    Period::from_secs(15)
}

fn default_rate() -> Rate {
    Rate::per_minute(60)
}

fn default_max_body() -> ByteSize {
    ByteSize(16 << 20)
}

impl OpenTrainUpdates {
    fn credentials(&self) -> Result<Auth, Problem> {
        match (&self.token, &self.auth) {
            (Some(token), None) => Ok(Auth::Bearer(token.clone())),
            (None, Some(auth @ Auth::Bearer(_))) => Ok(auth.clone()),
            (None, Some(_)) => Err(Problem::new("auth", "OpenTrain knows `bearer` only")
                .with_help("replace `auth` by `token: ${OPENTRAIN_TOKEN}`, an access token (`ot_pat_…`)")),
            (Some(_), Some(_)) => {
                Err(Problem::new("auth", "both `token` and `auth` are given")
                    .with_help("keep one of the two"))
            }
            (None, None) => {
                Err(Problem::new("", "`token` is missing").with_help("add `token: ${OPENTRAIN_TOKEN}`"))
            }
        }
    }

    /// The client of this account, published for `same_as`.
    fn client(&self, cx: &Context) -> Result<Arc<Client>> {
        let auth = self.credentials().map_err(|problem| Error::config(problem.message))?;
        let base_url = BaseUrl::parse(&self.base_url).map_err(Error::config)?;
        let limits = Limits { body_bytes: self.max_body.as_usize(), ..Limits::default() };
        let client = Client::new(ClientOptions { base_url, auth: Some(auth), rate: self.rate, limits }, cx)?;
        client.publish(cx);
        Ok(client)
    }
}

#[async_trait]
impl SourceSpec for OpenTrainUpdates {
    const TYPE: &'static str = "opentrain_updates";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn api(&self) -> Option<&'static str> {
        Some("opentrain")
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(message) = BaseUrl::parse(&self.base_url) {
            problems.push(Problem::new("base_url", message));
        }
        problems.extend(self.credentials().err());
        if !(1..=200).contains(&self.limit) {
            problems.push(Problem::new("limit", format!("expected 1 to 200, found {}", self.limit)));
        }
        if self.interval.0 < Duration::from_secs(1) {
            problems.push(Problem::new("interval", format!("expected at least 1s, found {}", self.interval)));
        }
        if let Start::Cursor(text) = &self.start
            && !decode::is_number(text)
        {
            let message = format!("expected the number of an event, found `{text}`");
            problems.push(Problem::new("start.cursor", message));
        }
        if let Some(webhook) = &self.webhook {
            let wrong = check_endpoint(&webhook.endpoint(Scheme::Opentrain));
            problems.extend(wrong.into_iter().map(|problem| problem.under("webhook")));
        }
        problems
    }

    fn listens_on(&self) -> Option<ListensOn> {
        self.webhook.as_ref()?.endpoint(Scheme::Opentrain).listens_on("webhook.path")
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        Some(decode::event(item, &Origin::new("opentrain", cx), cx.environment.clock.now()))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let client = self.client(cx)?;
        let bell = match &self.webhook {
            None => None,
            Some(webhook) => {
                let bell = Arc::new(Bell::default());
                let ear = bell.ear();
                Some((ear, listen(cx, &webhook.endpoint(Scheme::Opentrain), bell).await?))
            }
        };
        Ok(BuiltSource::single(OpenTrainFeed::new(self, client, cx).woken_by(bell)))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        match self.client(cx) {
            Ok(client) => probe::probe(self, &client).await,
            Err(error) => asking::impossible(error),
        }
    }
}

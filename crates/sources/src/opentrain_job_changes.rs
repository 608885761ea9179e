//! The `opentrain_job_changes` source: its options, which are its reference page.
//!
//! Source: the OpenTrain contract, section 8. Invariant: no credentials are ever sent; a time that the API would refuse
//! is refused when the file is checked.

mod decode;
mod feed;
mod position;
mod probe;
mod status;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, Period, Probe, Problem, Reject, Result,
    SourceClass, SourceSpec,
};
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate};

use crate::item::Origin;
use crate::{Start, asking};
use feed::JobChangesFeed;
use position::Position;

/// Polls what changed on OpenTrain's public job board. No token is needed.
///
/// Reads `GET /jobs/changes?since=`. Every item of `changes[]` becomes one event, byte for byte; `meta.id` is
/// `opentrain:<account>:job:<jobId>:<eventType>:<occurredAt>`, `meta.type` its `eventType` (`PUBLISHED`, `UPDATED`,
/// `CLOSED`), `meta.time` its `occurredAt`, `meta.key` its `jobId`. Changes carry ids only: `http_lookup` with
/// `enrich: job` adds the job.
///
/// The feed is no log. The API tells the latest change of a job only, so a job that is published and closed between two
/// polls was never published as far as you can see. Its bound is inclusive, so the changes of the last millisecond come
/// again with every poll; they are recognized by their job, type and time and left out. Its answers are kept by a cache
/// for 5 minutes, and given stale for up to an hour: a change may show late, and polling more often gains little. An
/// answer that is older than one that came before moves nothing back.
///
/// Delivery is at least once: the position is a time, and an answer that came after it was saved may be told again
/// after a restart. With `meta.id`, or `event.jobId` for the latest state of each job, as the key of an upsert,
/// repeats do no harm.
///
/// An address may make 120 requests a minute over all public endpoints; `rate` is half of that.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "start": "now" }))]
pub struct OpenTrainJobChanges {
    /// Where the API lives, with `/api/public/v1`.
    #[serde(default = "default_base_url")]
    #[schemars(example = "https://app.opentrain.ai/api/public/v1")]
    pub base_url: String,
    /// Time between two polls, give or take ten percent; at least 1s. While an answer holds the most that the API tells
    /// at once (5,000 changes), the next poll follows at once.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// Where the very first poll begins: `beginning` (the latest change of every job), `now` (all that is read away
    /// without emitting it), or `{ cursor: "2026-06-12T00:00:00Z" }` for what happened at or after a time.
    #[serde(default)]
    pub start: Start,
    /// Requests per minute with a burst as large, or `unlimited`.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
}

fn default_base_url() -> String {
    "https://app.opentrain.ai/api/public/v1".to_owned()
}

fn default_interval() -> Period {
    Period::from_secs(300)
}

fn default_rate() -> Rate {
    Rate::per_minute(60)
}

fn default_max_body() -> ByteSize {
    ByteSize(16 << 20)
}

impl OpenTrainJobChanges {
    fn client(&self, cx: &Context) -> Result<Arc<Client>> {
        let base_url = BaseUrl::parse(&self.base_url).map_err(Error::config)?;
        let limits = Limits { body_bytes: self.max_body.as_usize(), ..Limits::default() };
        Client::new(ClientOptions { base_url, auth: None, rate: self.rate, limits }, cx)
    }
}

/// Where a change comes from; its ids begin like those of the account's own feed, and never equal them.
fn origin(cx: &Context) -> Origin {
    Origin::new("opentrain", cx)
}

#[async_trait]
impl SourceSpec for OpenTrainJobChanges {
    const TYPE: &'static str = "opentrain_job_changes";

    fn class(&self) -> SourceClass {
        SourceClass::RecordField
    }

    fn api(&self) -> Option<&'static str> {
        Some("opentrain_jobs")
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(message) = BaseUrl::parse(&self.base_url) {
            problems.push(Problem::new("base_url", message));
        }
        if self.interval.0 < Duration::from_secs(1) {
            problems.push(Problem::new("interval", format!("expected at least 1s, found {}", self.interval)));
        }
        if let Start::Cursor(text) = &self.start
            && Position::parse(text).is_none()
        {
            let message = format!("expected a time such as `2026-06-12T00:00:00Z`, found `{text}`");
            problems.push(Problem::new("start.cursor", message));
        }
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        Some(decode::change(item).into_event(&origin(cx), cx.environment.clock.now()))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let client = self.client(cx)?;
        Ok(BuiltSource::single(JobChangesFeed::new(self, client, cx)))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        match self.client(cx) {
            Ok(client) => probe::probe(self, &client, cx.environment.clock.now()).await,
            Err(error) => asking::impossible(error),
        }
    }
}

//! The `http_lookup` transform: its options, which are its reference page.
//!
//! Source: section 9 of the OpenTrain contract. Invariant: a look-up never blocks a pipeline for ever, never reorders
//! events, and never sends a value of an event anywhere but into one segment of a URL whose host is literal.

mod batch;
mod enrich;
mod fetch;
mod find;
#[cfg(test)]
mod list_tests;
mod listing;
mod options;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    ByteSize, CheckContext, Context, Effect, Error, Located, Period, Problem, Result, ScriptFiles, Transform,
    TransformSpec,
};
use sluicebox_http::{Auth, BaseUrl, Client, ClientOptions, Limits, Rate};
use sluicebox_lookups::{CacheOptions, OnError, Patience, into_problem, select_problem};
use sluicebox_rules::{Template, TemplateKind};

use batch::Batch;
use enrich::{Enricher, Mode};
use fetch::{Credentials, Fetcher};
use find::Finder;

pub use options::{Find, HttpBatch};

/// Adds what an HTTP API knows about an event: fetches a URL made from the event and puts the answer into a field.
///
/// Events keep their order; equal URLs are asked for once, however many events need them at the same time, and
/// remembered for `cache.ttl`. What is read is the state now, not at event time. The answer is taken byte for byte.
///
/// How it ended is in `meta.lookups.<component>.status`: `ok`; `not_found` (404, or the answer has nothing at `select`);
/// `forbidden` (403); `unavailable` (no usable answer). 404 and 403 are final and remembered for `cache.negative_ttl`.
/// 429, 5xx, answers that are not JSON and a broken network are retried with the waits of `retry:` until
/// `retry.max_elapsed` (30s unless set) after the first failure. While an API stays down, one request at a time probes
/// it with growing waits, and events in between are `unavailable` at once. A refused credential is `unavailable` too,
/// and logged as an error. For all three, `on_error` decides what becomes of the event; by default it goes on without
/// the field.
///
/// Values in `url` are percent-encoded and cannot leave their segment. An event that gives no value for one is a dead
/// letter: use `when:` to look up only where there is something to look up; other events then pass unchanged.
///
/// With `batch` the keys of many events are asked for in one request. With `find` the answer is a list, in pages, and
/// the item of the event is looked for in it: for APIs that cannot be asked for a single thing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://app.opentrain.ai/api/public/v1/contracts/{{ event.data.contractId }}",
    "auth": { "same_as": "marketplace" },
    "select": "contract",
    "into": "contract"
}))]
pub struct HttpLookup {
    /// What to fetch: a template whose scheme and host are literal.
    #[schemars(example = "https://api.example.com/things/{{ event.thingId }}", extend("x-rule" = "template"))]
    pub url: Located,
    /// The credentials; unset for a public API. `same_as` takes those of a source, for the account of each event,
    /// and shares its request budget.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Asks for the keys of many events at once. In `url`, or in `batch.body`, `{{ keys }}` stands for them.
    #[serde(default)]
    #[schemars(extend("x-rule" = "expression"))]
    pub batch: Option<HttpBatch>,
    /// Finds the item of the event in a list.
    #[serde(default)]
    #[schemars(extend("x-rule" = "expression"))]
    pub find: Option<Find>,
    /// Path inside the answer, with dots (`contract`, `items.0.name`), and with `batch` and `find` inside the item;
    /// unset: the whole of it.
    #[serde(default)]
    #[schemars(example = &"contract")]
    pub select: Option<String>,
    /// The top-level field of the event that gets the answer; unset: the component's name.
    #[serde(default)]
    #[schemars(example = &"contract")]
    pub into: Option<String>,
    /// What is remembered, and for how long.
    #[serde(default)]
    pub cache: CacheOptions,
    /// What becomes of an event that could not be enriched.
    #[serde(default)]
    pub on_error: OnError,
    /// Longest time of one request.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Most bytes of one answer, decompressed.
    #[serde(default = "default_max_body")]
    pub max_body: ByteSize,
    /// Most requests at the same time.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// Requests per minute with a burst as large, or `unlimited`. With `same_as`, the source's `rate` holds instead.
    #[serde(default = "default_rate")]
    pub rate: Rate,
}

fn default_timeout() -> Period {
    Period::from_secs(10)
}

fn default_max_body() -> ByteSize {
    ByteSize(1 << 20)
}

fn default_concurrency() -> usize {
    8
}

fn default_rate() -> Rate {
    Rate::Unlimited
}

impl HttpLookup {
    /// How the answer is come by, and where the API lives.
    fn mode(&self) -> Result<(Mode, BaseUrl), Problem> {
        if let Some(batch) = &self.batch {
            if self.find.is_some() {
                return Err(Problem::new("find", "`find` and `batch` cannot go together"));
            }
            let batch = Batch::new(batch, &self.url)?;
            let origin = BaseUrl::origin_of(batch.literal_prefix());
            return Ok((Mode::Batch(Box::new(batch)), origin.map_err(|text| Problem::new("url", text))?));
        }
        let template = Template::compile(&self.url, TemplateKind::Url).map_err(|p| p.under("url"))?;
        let origin =
            BaseUrl::origin_of(template.literal_prefix()).map_err(|text| Problem::new("url", text))?;
        let finder = self.find.as_ref().map(|find| Finder::new(find, &self.cache)).transpose()?;
        let mode = match finder {
            Some(finder) => Mode::Find(Box::new(finder), template),
            None => Mode::Each(template),
        };
        Ok((mode, origin))
    }

    fn limits(&self) -> Limits {
        Limits { read: self.timeout.0, total: self.timeout.0, body_bytes: self.max_body.as_usize() }
    }

    fn check_same_as(&self, cx: &CheckContext<'_>) -> Option<Problem> {
        let Some(Auth::SameAs(source)) = &self.auth else { return None };
        if cx.sources.iter().any(|(name, _)| name == source) {
            return None;
        }
        let names: Vec<&str> = cx.sources.iter().map(|(name, _)| name.as_str()).collect();
        let problem = Problem::new("auth.same_as", format!("there is no source `{source}`"));
        Some(if names.is_empty() {
            problem
        } else {
            problem.with_help(format!("known: {}", names.join(", ")))
        })
    }
}

#[async_trait]
impl TransformSpec for HttpLookup {
    const TYPE: &'static str = "http_lookup";

    fn is_repeatable(&self) -> bool {
        false
    }

    fn effect(&self, component: &str) -> Effect {
        Effect::Adds(self.into.clone().unwrap_or_else(|| component.to_owned()))
    }

    fn lookup_url(&self) -> Option<&Located> {
        Some(&self.url)
    }

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.mode().err().into_iter().collect();
        problems.extend(self.check_same_as(cx));
        if !(1..=64).contains(&self.concurrency) {
            let message = format!("expected 1 to 64, found {}", self.concurrency);
            problems.push(Problem::new("concurrency", message));
        }
        if self.timeout.0.is_zero() {
            problems.push(Problem::new("timeout", "expected a time longer than nothing"));
        }
        problems.extend(select_problem(self.select.as_deref()));
        problems.extend(into_problem(self.into.as_deref()));
        problems
    }

    async fn build(self, cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let (mode, base_url) = self.mode().map_err(|problem| Error::config(problem.message))?;
        let limits = self.limits();
        let credentials = match &self.auth {
            Some(Auth::SameAs(source)) => {
                Credentials::OfSource { source: source.clone(), shared: cx.shared.clone() }
            }
            auth => {
                let options = ClientOptions { base_url, auth: auth.clone(), rate: self.rate, limits };
                Credentials::Own(Client::new(options, cx)?)
            }
        };
        let fetcher =
            Fetcher { credentials, limits, select: self.select.clone(), patience: Patience::new(cx) };
        let enricher = Enricher::new(&self, mode, fetcher, cx);
        cx.shared.publish(&cx.component, "", Arc::clone(enricher.tally()));
        Ok(Box::new(enricher))
    }
}

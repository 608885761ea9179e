//! The `http_lookup` transform: its options, which are its reference page.
//!
//! Source: section 9 of the OpenTrain contract. Invariant: a look-up never blocks a pipeline for ever, never reorders
//! events, and never sends a value of an event anywhere but into one segment of a URL whose host is literal.

mod asker;
mod batch;
mod enrich;
mod extract;
mod fetch;
mod find;
#[cfg(test)]
mod list_tests;
mod listing;
mod options;
mod plan;
mod presets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    ByteSize, CheckContext, Context, Effect, Error, Located, LookupUrl, Period, Problem, Result, ScriptFiles,
    Transform, TransformSpec,
};
use sluicebox_http::{Auth, Client, ClientOptions, Limits, Rate};
use sluicebox_lookups::{CacheOptions, Ending, OnError, Patience, into_problem, select_problem};

use asker::Asker;
use enrich::Enricher;
use fetch::{Credentials, Fetcher};
use plan::Plan;
use presets::{Answerer, Chosen};

pub use options::{Find, HttpBatch};
pub use presets::Presets;

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
///
/// With `enrich` nothing of this is written: each event is looked up as its type demands. The answers are the fields
/// of one object, `event.<into>.<preset>`; the status of the component is the worst of theirs (`unavailable`, then
/// `forbidden`, then `not_found`), and that of each is `meta.lookups["<component>.<preset>"].status`. With
/// `on_error: pass` what was found is in the event, whatever else was not. Events of other types go on untouched,
/// without a request. An event that lacks the id is `not_found`, not a dead letter. An answer about the thing that an
/// event tells of is never older than the event.
///
/// | `enrich` | for | asks | gives |
/// |---|---|---|---|
/// | `opentrain` | all eight types of OpenTrain | all of the next seven | |
/// | `proposal` | `proposal.received`, `proposal.status_changed` | `/proposals/{id}` | the proposal; 403 if it is not for your job |
/// | `message` | `message.received` | `/messages?conversationId=…`, at most 5 pages of 100, the newest first | the message |
/// | `contract` | `contract.created`, `contract.budget_state_changed`, `milestone.status_changed`, `payment.pending` | `/contracts/{id}` | the contract |
/// | `milestone` | `milestone.status_changed`, `payment.pending` | the same | the milestone; a cancelled one is `not_found` |
/// | `payment` | `payment.pending` | `/payments/pending` | the pending invoice; a paid one is `not_found` |
/// | `approval` | `approval.confirmed` | `/approvals/{id}` | the approval without `approvalUrl`, which lets its holder act |
/// | `job` | every type with a `jobId`, and those of `opentrain_job_changes` | `/jobs/{id}` | the public job; a closed one is `not_found` |
/// | `zenzap` | all types of Zenzap with a topic | both of the next | |
/// | `topic` | every type with a topic | `/v2/topics/{id}` | its `id`, `name`, `description` |
/// | `names` | `reaction.*`, `member.*`, `poll_vote.*`, `message.deleted`, `topic.updated` | `/v2/members`, all pages | the names of `userId`, `memberId`, `memberIds`, `actorId`, `voterId`, `deletedBy`, `senderId`, under these names; never an e-mail address or a phone number |
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://app.opentrain.ai/api/public/v1/contracts/{{ event.data.contractId }}",
    "auth": { "same_as": "marketplace" },
    "select": "contract",
    "into": "contract"
}))]
#[schemars(example = serde_json::json!({ "enrich": "opentrain", "auth": { "same_as": "marketplace" } }))]
pub struct HttpLookup {
    /// What to fetch: a template whose scheme and host are literal.
    #[serde(default)]
    #[schemars(example = "https://api.example.com/things/{{ event.thingId }}", extend("x-rule" = "template"))]
    pub url: Option<Located>,
    /// Instead of `url`: what is known of the events of an API. The name of the API for all that it can tell, or some
    /// of it, see above.
    #[serde(default)]
    #[schemars(example = &"opentrain", example = &["proposal", "contract", "message"])]
    pub enrich: Option<Presets>,
    /// Where the API of `enrich` lives; unset: where the source named by `same_as` finds it, else its public address.
    /// With `same_as` it has to be the same host.
    #[serde(default)]
    #[schemars(example = &"https://api.us.zenzap.co")]
    pub base_url: Option<String>,
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
    /// Requests per minute with a burst as large, or `unlimited`; unset: what the API of `enrich` takes, with `url`
    /// unlimited. With `same_as`, the source's `rate` holds instead.
    #[serde(default)]
    #[schemars(example = &60)]
    pub rate: Option<Rate>,
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

impl HttpLookup {
    fn field(&self, component: &str) -> String {
        self.into.clone().unwrap_or_else(|| component.to_owned())
    }

    fn limits(&self) -> Limits {
        Limits { read: self.timeout.0, total: self.timeout.0, body_bytes: self.max_body.as_usize() }
    }
}

#[async_trait]
impl TransformSpec for HttpLookup {
    const TYPE: &'static str = "http_lookup";

    fn is_repeatable(&self) -> bool {
        false
    }

    fn effect(&self, component: &str) -> Effect {
        let field = self.field(component);
        match self.chosen() {
            Some(chosen) => Effect::Writes(chosen.fields(&field)),
            None => Effect::Adds(field),
        }
    }

    fn lookup_urls(&self) -> Vec<LookupUrl> {
        let own = self.url.clone().map(|template| LookupUrl { name: None, template });
        own.into_iter().chain(self.chosen().iter().flat_map(Chosen::urls)).collect()
    }

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.plan().err().into_iter().collect();
        problems.extend(self.auth.iter().flat_map(Auth::problems));
        problems.extend(self.credentials_problem(cx));
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
        let wrong = |problem: Problem| Error::config(problem.message);
        let plan = self.plan().map_err(wrong)?;
        let limits = self.limits();
        let (base_url, usual_rate) = match &plan {
            Plan::Url(_, origin) => (origin.clone(), Rate::Unlimited),
            Plan::Known(chosen, base_url) => (base_url.clone(), chosen.rate()),
        };
        let credentials = match &self.auth {
            Some(Auth::SameAs(source)) => {
                Credentials::OfSource { source: source.clone(), shared: cx.shared.clone() }
            }
            auth => {
                let rate = self.rate.unwrap_or(usual_rate);
                let options = ClientOptions { base_url, auth: auth.clone(), rate, limits };
                Credentials::Own(Client::new(options, cx)?)
            }
        };
        let fetcher = Fetcher { credentials, limits, patience: Patience::new(cx) };
        let asker = Asker::new(fetcher, &self.cache, cx);
        cx.shared.publish(&cx.component, "", Arc::clone(asker.tally()));
        let ending = Ending::new(&cx.component, self.into.as_deref(), self.on_error);
        Ok(match plan {
            Plan::Url(mode, _) => Box::new(Enricher::new(*mode, asker, ending, self.concurrency)),
            Plan::Known(chosen, _) => {
                let bounds = (&self.cache, self.concurrency);
                let is_elsewhere = self.base_url.is_some() && matches!(self.auth, Some(Auth::SameAs(_)));
                let below = self.base_url.as_deref().filter(|_| is_elsewhere).unwrap_or_default();
                let known = (&chosen, below.trim_end_matches('/'));
                Box::new(Answerer::new(known, asker, ending, bounds).map_err(wrong)?)
            }
        })
    }
}

//! The `http` sink: its options, which are its reference page.
//!
//! Invariant: an event counts as delivered only when the other side has said so, requests of one key are made in their
//! order, and no value of an event chooses the host that is asked.

mod body;
mod judge;
mod plan;
mod probe;
mod rendering;
mod rules;
mod run;
mod sender;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Period, Probe, Problem,
    Rendering, Result, SinkSpec, TlsOptions,
};
use sluicebox_http::{Auth, Client, ClientOptions, Limits, Rate};

pub use body::{Batching, Body, Frame};
pub use rules::{ErrorRule, Statuses, Then, UnknownOutcome};
pub use shape::Method;

use judge::Judge;
use sender::{Clients, HttpSink};
use shape::Shape;

/// Most bytes of an answer that are read; the rest of a longer one is left.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// Sends events as HTTP requests: one for each event, or one for each batch.
///
/// An event counts as delivered when its request is answered with a 2xx status. An answer that never came (a broken
/// connection, a deadline) leaves open whether the request was carried out; it is made again, so an event may arrive
/// twice, and every request carries an idempotency key by which the receiver can tell: `meta.id`, or for a batch a hash
/// of its ids. Requests of one ordering key are made one after the other; a key that has to wait does not hold up others.
///
/// Other answers: 429, 408, 425 and 5xx are tried again, not before `Retry-After`. 401 and 403 pause the sink, as do
/// redirects (credentials never follow one), and 404 and 410 where the URL is the same for every event. Anything else
/// (413 as `too_large`) makes the event a dead letter; a refused batch is sent again in parts until the guilty event
/// is found. `errors` changes this by status and content. A pause keeps the position: nothing is lost.
///
/// `url` has a literal scheme and host, and values in it are percent-encoded and cannot leave their segment. Plain http
/// is for hosts of this machine. Messages show scheme and host only, because paths are often credentials. In a template
/// that writes JSON, `{{ to_json(event.name) }}` writes a value with its quotes.
///
/// How many events a batch holds is up to `batch:`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://api.example.com/payments/{{ event.id }}",
    "method": "PUT",
    "auth": { "bearer": "${API_TOKEN}" },
    "errors": [{ "status": 409, "then": "accept" }]
}))]
pub struct HttpSpec {
    /// Where to send: a template whose scheme and host are literal.
    #[schemars(example = "https://api.example.com/payments/{{ event.id }}", extend("x-rule" = "template"))]
    pub url: Located,
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// Headers by name, each a template. A secret belongs into `auth`, where no message can show it.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "X-Event-Type": "{{ meta.type }}" }), extend("x-rule" = "template"))]
    pub headers: BTreeMap<String, Located>,
    /// The credentials; unset: none. `same_as` takes those of a source, for the account of each event, and shares its
    /// request budget. `webhook` signs each request with the idempotency key as its `webhook-id`.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// What is sent for an event. `Content-Type` is `application/json`, for JSON lines `application/x-ndjson`, unless
    /// `headers` says otherwise.
    #[serde(default)]
    pub body: Body,
    /// How many events a request carries, and how they are joined. Events whose `url` or `headers` differ never share
    /// a request.
    #[serde(default)]
    pub batching: Batching,
    /// The header with the idempotency key; `null`: none.
    #[serde(default = "default_idempotency_header")]
    pub idempotency_header: Option<String>,
    /// What certain answers mean, before the rules above; the first entry that fits holds.
    #[serde(default)]
    #[schemars(example = serde_json::json!([
        { "status": 409, "then": "accept" },
        { "status": [400, 422], "contains": "try again", "then": "retry" },
        { "status": 200, "at": "/ok", "equals": "false", "then": "dead_letter" }
    ]))]
    pub errors: Vec<ErrorRule>,
    /// What becomes of an event whose request may have been carried out, although no answer came.
    #[serde(default)]
    pub unknown_outcome: UnknownOutcome,
    /// Most requests at the same time. Those of one key still wait for each other.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// Requests per minute with a burst as large, or `unlimited`. With `same_as`, the source's `rate` holds instead.
    #[serde(default = "default_rate")]
    pub rate: Rate,
    /// Longest time of one request.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Whom to trust, if not the machine's own certificates.
    #[serde(default)]
    pub tls: Option<TlsOptions>,
}

#[allow(clippy::unnecessary_wraps, reason = "a default has the type of its field")]
fn default_idempotency_header() -> Option<String> {
    Some("Idempotency-Key".to_owned())
}

fn default_concurrency() -> usize {
    1
}

fn default_rate() -> Rate {
    Rate::Unlimited
}

fn default_timeout() -> Period {
    Period::from_secs(30)
}

impl HttpSpec {
    fn limits(&self) -> Limits {
        Limits { read: self.timeout.0, total: self.timeout.0, body_bytes: MOST_ANSWER_BYTES }
    }

    /// A client of the URL's origin.
    fn client(&self, auth: Option<Auth>, cx: &Context) -> Result<std::sync::Arc<Client>> {
        let base_url = shape::origin(&self.url).map_err(|problem| Error::config(problem.message))?;
        let options = ClientOptions { base_url, auth, rate: self.rate, limits: self.limits() };
        match &self.tls {
            Some(tls) => Client::with_tls(options, tls, cx),
            None => Client::new(options, cx),
        }
    }

    fn auth_problems(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let Some(auth) = &self.auth else { return Vec::new() };
        let mut problems = auth.problems();
        let Auth::SameAs(source) = auth else { return problems };
        if !cx.sources.iter().any(|(name, _)| name == source) {
            let names: Vec<&str> = cx.sources.iter().map(|(name, _)| name.as_str()).collect();
            let problem = Problem::new("auth.same_as", format!("there is no source `{source}`"));
            problems.push(problem.with_help(format!("known: {}", names.join(", "))));
        }
        if self.tls.is_some() {
            problems.push(Problem::new("tls", "with `same_as`, the source's own connections are used"));
        }
        problems
    }
}

#[async_trait]
impl SinkSpec for HttpSpec {
    const TYPE: &'static str = "http";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: false,
            why: "a request whose answer is lost is made again, with the same idempotency key",
        }
    }

    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = shape::problems(self);
        problems.extend(self.auth_problems(cx));
        problems.extend(rules::problems(&self.errors));
        if !(1..=64).contains(&self.concurrency) {
            let message = format!("expected 1 to 64, found {}", self.concurrency);
            problems.push(Problem::new("concurrency", message));
        }
        if self.timeout.0.is_zero() {
            problems.push(Problem::new("timeout", "expected a time longer than nothing"));
        }
        problems.extend(self.tls.iter().flat_map(TlsOptions::problems));
        problems
    }

    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        // An address that is not known yet is no reason to see nothing.
        Ok(Shape::new(self).ok().map(rendering::of))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let shape = Shape::new(&self)
            .map_err(|problem| Error::config(format!("{} of the sink: {}", problem.path, problem.message)))?;
        let clients = match &self.auth {
            Some(Auth::SameAs(source)) => {
                Clients::OfSource { source: source.clone(), shared: cx.shared.clone() }
            }
            auth => Clients::Own(self.client(auth.clone(), cx)?),
        };
        let limits = self.limits();
        let url_is_fixed = shape.url_is_fixed();
        let judge = Judge { rules: self.errors, unknown_outcome: self.unknown_outcome, url_is_fixed };
        let concurrency = self.concurrency.max(1);
        Ok(BuiltSink::Plain(Box::new(HttpSink { shape, clients, judge, limits, concurrency })))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::probe(self, cx).await
    }
}

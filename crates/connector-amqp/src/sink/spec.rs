//! The declaration of the `amqp` sink.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Located, Period, Probe, Problem,
    Rendering, Result, Secret, SinkSpec, TlsOptions,
};
use sluicebox_rules::{Template, TemplateKind};

use super::message::{Fixed, Recipe};
use super::probe;
use super::publisher::Publisher;
use super::rendering;
use crate::link::{Address, Client, Declare, ExchangeType, default_heartbeat, heartbeat_problem, short};

/// Publishes events to a broker that speaks AMQP 0.9.1 (RabbitMQ), each confirmed by the broker.
///
/// A batch is published in order on one channel and counts as delivered when the broker has confirmed every message of
/// it: a durable queue has it on disk then, a quorum queue on most of its nodes. Delivery is at least once. After a lost
/// connection, or 30 seconds without any confirmation, everything that was not confirmed is published again in the same
/// order over a new connection, so a consumer sees at most the batch that was under way again; it knows repeats by
/// `message_id`, which is `meta.id`.
///
/// A message is the event as it arrived, byte for byte, with the properties `message_id` (`meta.id`; its SHA-256 where
/// that is longer than 255 bytes), `type` (`meta.type`), `timestamp` (`meta.time`, in seconds), `content_type` and
/// `delivery_mode` 2: persistent.
///
/// With `mandatory`, a message that reaches no queue is a failure, never a silent loss. Where `routing_key` is the same
/// for every event, the sink pauses until somebody binds a queue; where it depends on the event, or the exchange is
/// declared as `headers`, the event becomes a dead letter.
///
/// What the broker refuses for the moment (a full queue with `reject-publish`, a queue whose node is away) is tried
/// again, and later events of the same key wait for it. While the broker blocks publishers, because it is short of
/// memory or disk, the sink waits, and so does everything above it. A message larger than the broker takes is a dead
/// letter. Wrong credentials, a missing exchange, or something declared differently pause the sink.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = spec_example())]
pub struct AmqpSinkSpec {
    /// The broker: `amqps://user:password@host:port/virtual-host`. Without a virtual host it is `/`; a `/` inside its
    /// name is written `%2F`. `amqp://`, without TLS, only on this machine.
    #[schemars(example = "amqps://pipeline:${AMQP_PASSWORD}@broker.example.com/events")]
    pub url: Secret,
    /// Whom an `amqps://` connection trusts, and what it shows of itself. `insecure_skip_verify: true` also allows
    /// `amqp://` to another machine.
    #[serde(default)]
    pub tls: TlsOptions,
    /// How often both sides show that they live; after twice that in silence the connection counts as lost.
    #[serde(default = "default_heartbeat")]
    pub heartbeat: Period,
    /// The exchange; empty for the default exchange, where the routing key is the name of a queue.
    #[serde(default)]
    #[schemars(length(max = 255), example = &"events")]
    pub exchange: String,
    /// The routing key, at most 255 bytes; may hold `{{ … }}`. On the default exchange it begins with a literal part,
    /// so that no event chooses its queue freely.
    #[schemars(example = "orders.{{ meta.type }}", extend("x-rule" = "template"))]
    pub routing_key: Located,
    /// Whether a message that reaches no queue is a failure. Off, the broker drops it and confirms.
    #[serde(default = "yes")]
    pub mandatory: bool,
    /// Whether messages survive a restart of the broker (`delivery_mode` 2).
    #[serde(default = "yes")]
    pub persistent: bool,
    /// The property `content_type`.
    #[serde(default = "default_content_type")]
    #[schemars(length(max = 255))]
    pub content_type: String,
    /// Headers by name; values may hold `{{ … }}` and are sent as text. All of an event's headers have room for 64 KiB.
    #[serde(default)]
    #[schemars(example = headers_example(), extend("x-rule" = "template"))]
    pub headers: BTreeMap<String, Located>,
    /// The property `priority`, for queues that have priorities.
    #[serde(default)]
    #[schemars(example = 5)]
    pub priority: Option<u8>,
    /// How long a message is worth keeping; the broker drops it after that.
    #[serde(default)]
    #[schemars(example = "1h")]
    pub expiration: Option<Period>,
    /// Publish `{"meta": …, "event": …}` instead of the event alone.
    #[serde(default)]
    pub envelope: bool,
    /// What to make on the broker if it is missing; unset: nothing.
    #[serde(default)]
    pub declare: Option<Declare>,
}

fn yes() -> bool {
    true
}

fn default_content_type() -> String {
    "application/json".to_owned()
}

fn headers_example() -> serde_json::Value {
    serde_json::json!({ "source": "{{ meta.source }}", "tenant": "{{ event.tenant }}" })
}

fn spec_example() -> serde_json::Value {
    serde_json::json!({
        "url": "amqps://pipeline:${AMQP_PASSWORD}@broker.example.com",
        "exchange": "events",
        "routing_key": "orders.{{ meta.type }}",
        "declare": { "exchange": { "type": "topic" } }
    })
}

#[async_trait]
impl SinkSpec for AmqpSinkSpec {
    const TYPE: &'static str = "amqp";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::AtLeastOnce,
            exactly_once: false,
            why: "AMQP 0.9.1 has no transaction that could hold the position too",
        }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Address::problems(&self.url, &self.tls);
        problems.extend(heartbeat_problem(self.heartbeat));
        for (path, text) in [("exchange", &self.exchange), ("content_type", &self.content_type)] {
            if text.len() > 255 {
                problems.push(Problem::new(path, "expected at most 255 bytes"));
            }
        }
        problems.extend(self.routing_key_problem());
        for (name, value) in &self.headers {
            let path = format!("headers.{name}");
            if name.is_empty() || name.len() > 255 {
                problems.push(Problem::new(&*path, "a header's name has 1 to 255 bytes"));
            }
            let compiled = Template::compile(value, TemplateKind::Text);
            problems.extend(compiled.err().map(|problem| problem.under(&path)));
        }
        problems.extend(self.declared().map(|declare| declare.problems()).unwrap_or_default());
        problems
    }

    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        Ok(Some(rendering::of(self.clone().recipe()?)))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let client = Client::new(&self.url, &self.tls, self.heartbeat, cx)?;
        let declare = self.declared();
        let recipe = self.recipe()?;
        let clock = cx.environment.clock.clone();
        Ok(BuiltSink::Plain(Box::new(Publisher::new(client, recipe, declare, clock))))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        let client = Client::new(&self.url, &self.tls, self.heartbeat, cx);
        probe::look(client, self, self.fixed_routing_key().as_deref()).await
    }
}

impl AmqpSinkSpec {
    /// `declare`, with the exchange's name filled in.
    pub(crate) fn declared(&self) -> Option<Declare> {
        let mut declare = self.declare.clone()?;
        if let Some(exchange) = &mut declare.exchange {
            exchange.name.get_or_insert_with(|| self.exchange.clone());
        }
        Some(declare)
    }

    fn template(&self) -> Result<Template, Problem> {
        Template::compile(&self.routing_key, TemplateKind::Text)
    }

    fn fixed_routing_key(&self) -> Option<String> {
        let template = self.template().ok().filter(Template::is_fixed)?;
        Some(template.literal_prefix().to_owned())
    }

    fn routing_key_problem(&self) -> Option<Problem> {
        let template = match self.template() {
            Ok(template) => template,
            Err(problem) => return Some(problem.under("routing_key")),
        };
        let prefix = template.literal_prefix();
        if prefix.len() > 255 {
            return Some(Problem::new("routing_key", "a routing key has at most 255 bytes"));
        }
        let message = if !self.exchange.is_empty() || !prefix.is_empty() {
            return None;
        } else if template.is_fixed() {
            "on the default exchange the routing key is the name of a queue: expected one"
        } else {
            "on the default exchange the routing key is the name of a queue, so it begins with a literal part"
        };
        Some(Problem::new("routing_key", message).with_help("like `orders-{{ … }}`, or name an `exchange`"))
    }

    fn recipe(self) -> Result<Recipe> {
        let config = |what: &str| Error::config(format!("{what} cannot be used on a broker"));
        let routing_key = self.template().map_err(|problem| Error::config(problem.message))?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let template = Template::compile(value, TemplateKind::Text)
                .map_err(|problem| Error::config(format!("the header `{name}`: {}", problem.message)))?;
            headers.push((short(name).ok_or_else(|| config("a header's name"))?, template));
        }
        let routes_by_header = self
            .declare
            .as_ref()
            .and_then(|declare| declare.exchange.as_ref())
            .is_some_and(|exchange| exchange.kind == ExchangeType::Headers);
        let expiration = self.expiration.map(|period| period.0.as_millis().to_string());
        Ok(Recipe {
            routes_by_event: routes_by_header || !routing_key.is_fixed(),
            exchange: short(&self.exchange).ok_or_else(|| config("the exchange"))?,
            routing_key,
            headers,
            envelope: self.envelope,
            fixed: Fixed {
                mandatory: self.mandatory,
                delivery_mode: if self.persistent { 2 } else { 1 },
                content_type: short(&self.content_type).ok_or_else(|| config("the content type"))?,
                priority: self.priority,
                expiration: expiration.as_deref().and_then(short),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_testkit::NoFiles;

    fn problems(options: &serde_json::Value) -> Vec<String> {
        let mut json = serde_json::json!({ "url": "amqp://localhost", "routing_key": "q" });
        for (key, value) in options.as_object().unwrap() {
            json[key] = value.clone();
        }
        let spec: AmqpSinkSpec = serde_json::from_value(json).unwrap();
        let cx = CheckContext { files: &NoFiles, sources: &[] };
        SinkSpec::check(&spec, &cx).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn options_are_checked_before_anything_runs() {
        assert!(problems(&serde_json::json!({})).is_empty());
        let cases = [
            (serde_json::json!({ "url": "amqp://broker" }), "url"),
            (serde_json::json!({ "routing_key": "" }), "routing_key"),
            (serde_json::json!({ "routing_key": "{{ meta.type }}" }), "routing_key"),
            (serde_json::json!({ "routing_key": "{{ meta." }), "routing_key"),
            (serde_json::json!({ "heartbeat": "500ms" }), "heartbeat"),
            (serde_json::json!({ "headers": { "a": "{{" } }), "headers.a"),
            (serde_json::json!({ "exchange": "x".repeat(256) }), "exchange"),
            (serde_json::json!({ "declare": { "exchange": {} } }), "declare.exchange.name"),
        ];
        for (options, path) in cases {
            assert_eq!(problems(&options), [path], "{options}");
        }
        assert!(
            problems(&serde_json::json!({ "exchange": "e", "routing_key": "{{ meta.type }}" })).is_empty()
        );
        assert!(problems(&serde_json::json!({ "exchange": "e", "declare": { "exchange": {} } })).is_empty());
    }
}

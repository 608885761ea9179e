//! `declare:`: what has to exist on the broker, made at every connect. Declaring what is there already changes nothing.

use std::collections::BTreeMap;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Problem, Result};

use super::{Link, short, value};

/// What is made on the broker if it is missing. What exists with other properties is left alone: the component pauses
/// and says so.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(example = declare_example())]
pub struct Declare {
    /// An exchange.
    pub exchange: Option<DeclareExchange>,
    /// A queue.
    pub queue: Option<DeclareQueue>,
    /// Routing keys that bind the queue to the exchange (topic exchanges: patterns with `*` and `#`).
    #[schemars(example = ["orders.#"])]
    pub bind: Vec<String>,
}

/// An exchange to make.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareExchange {
    /// Its name; a sink's own `exchange` unless set.
    #[serde(default)]
    #[schemars(length(max = 255), example = &"events")]
    pub name: Option<String>,
    /// How it routes.
    #[serde(rename = "type", default)]
    pub kind: ExchangeType,
    /// Whether it survives a restart of the broker.
    #[serde(default = "yes")]
    pub durable: bool,
}

/// How an exchange routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeType {
    /// To queues bound with a pattern that fits the routing key.
    #[default]
    Topic,
    /// To queues bound with exactly the routing key.
    Direct,
    /// To every bound queue.
    Fanout,
    /// By headers, not by the routing key.
    Headers,
}

/// A queue to make.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareQueue {
    /// Its name; a source's own `queue` unless set.
    #[serde(default)]
    #[schemars(length(max = 255), example = &"orders")]
    pub name: Option<String>,
    /// Replicated (`quorum`) or on one node (`classic`).
    #[serde(rename = "type", default)]
    pub kind: QueueType,
    /// Whether it survives a restart of the broker; a quorum queue always does.
    #[serde(default = "yes")]
    pub durable: bool,
    /// More arguments, as the broker names them.
    #[serde(default)]
    #[schemars(example = arguments_example())]
    pub arguments: BTreeMap<String, serde_json::Value>,
}

/// Which kind of queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueType {
    /// Replicated and always durable.
    #[default]
    Quorum,
    /// On one node.
    Classic,
}

fn yes() -> bool {
    true
}

fn declare_example() -> serde_json::Value {
    serde_json::json!({
        "exchange": { "name": "events", "type": "topic" },
        "queue": { "name": "orders" },
        "bind": ["orders.#"]
    })
}

fn arguments_example() -> serde_json::Value {
    serde_json::json!({ "x-max-length": 100_000, "x-overflow": "reject-publish" })
}

impl ExchangeType {
    fn as_kind(self) -> ExchangeKind {
        match self {
            Self::Topic => ExchangeKind::Topic,
            Self::Direct => ExchangeKind::Direct,
            Self::Fanout => ExchangeKind::Fanout,
            Self::Headers => ExchangeKind::Headers,
        }
    }
}

impl Declare {
    /// Everything wrong with it. Every name that it does not say itself has been filled in.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check_name = |path: &str, name: Option<&str>| {
            let wrong = match name {
                None | Some("") => Some("expected a name"),
                Some(name) if name.len() > 255 => Some("a name has at most 255 bytes"),
                Some(name) if name.starts_with("amq.") => {
                    Some("names that begin with `amq.` are the broker's own")
                }
                Some(_) => None,
            };
            problems.extend(wrong.map(|message| Problem::new(path, message)));
        };
        if let Some(exchange) = &self.exchange {
            check_name("declare.exchange.name", exchange.name.as_deref());
        }
        if let Some(queue) = &self.queue {
            check_name("declare.queue.name", queue.name.as_deref());
        }
        if let Some(queue) = &self.queue {
            problems.extend(queue.problems());
        }
        if !self.bind.is_empty() && (self.exchange.is_none() || self.queue.is_none()) {
            let message = "binding needs both `exchange` and `queue` here";
            problems.push(Problem::new("declare.bind", message));
        }
        if self.bind.iter().any(|key| key.len() > 255) {
            problems.push(Problem::new("declare.bind", "a routing key has at most 255 bytes"));
        }
        problems
    }

    /// Makes what is missing.
    ///
    /// # Errors
    /// As the broker says; the channel is gone then.
    pub(crate) async fn make(&self, link: &Link, channel: &Channel) -> Result<()> {
        let exchange = self.exchange.as_ref().and_then(|exchange| exchange.name.as_deref());
        let queue = self.queue.as_ref().and_then(|queue| queue.name.as_deref());
        if let (Some(declared), Some(name)) = (&self.exchange, exchange) {
            let options = ExchangeDeclareOptions { durable: declared.durable, ..Default::default() };
            let making = channel.exchange_declare(
                named(name)?,
                declared.kind.as_kind(),
                options,
                FieldTable::default(),
            );
            link.answer(making, &format!("declare the exchange `{name}`")).await?;
        }
        if let (Some(declared), Some(name)) = (&self.queue, queue) {
            let options = QueueDeclareOptions { durable: declared.durable, ..Default::default() };
            let making = channel.queue_declare(named(name)?, options, declared.table()?);
            link.answer(making, &format!("declare the queue `{name}`")).await?;
        }
        for key in &self.bind {
            let (Some(exchange), Some(queue)) = (exchange, queue) else { break };
            let binding = channel.queue_bind(
                named(queue)?,
                named(exchange)?,
                named(key)?,
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            let attempt = format!("bind the queue `{queue}` to the exchange `{exchange}` with `{key}`");
            link.answer(binding, &attempt).await?;
        }
        Ok(())
    }
}

impl DeclareQueue {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.kind == QueueType::Quorum && !self.durable {
            let message = "a quorum queue is always durable";
            problems.push(
                Problem::new("declare.queue.durable", message)
                    .with_help("leave it out, or say `type: classic`"),
            );
        }
        if self.arguments.contains_key("x-queue-type") {
            let message = "`type` says which kind of queue it is";
            problems.push(Problem::new("declare.queue.arguments.x-queue-type", message));
        } else if self.table().is_err() {
            problems.push(Problem::new("declare.queue.arguments", "a name has at most 255 bytes"));
        }
        problems
    }

    fn table(&self) -> Result<FieldTable> {
        let mut table = FieldTable::default();
        for (name, argument) in &self.arguments {
            let argument =
                value(argument).ok_or_else(|| Error::config("an argument of the queue is too long"))?;
            table.insert(named(name)?, argument);
        }
        if self.kind == QueueType::Quorum {
            table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        Ok(table)
    }
}

fn named(name: &str) -> Result<lapin::types::ShortString> {
    short(name).ok_or_else(|| Error::config("a name of more than 255 bytes cannot be used on a broker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(json: serde_json::Value) -> Vec<String> {
        let declare: Declare = serde_json::from_value(json).unwrap();
        declare.problems().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn what_can_never_be_declared_is_found_before() {
        assert!(problems(declare_example()).is_empty());
        assert_eq!(problems(serde_json::json!({ "exchange": {} })), ["declare.exchange.name"]);
        assert_eq!(problems(serde_json::json!({ "queue": { "name": "amq.x" } })), ["declare.queue.name"]);
        let transient = serde_json::json!({ "queue": { "name": "q", "durable": false } });
        assert_eq!(problems(transient), ["declare.queue.durable"]);
        let classic = serde_json::json!({ "queue": { "name": "q", "durable": false, "type": "classic" } });
        assert!(problems(classic).is_empty());
        assert_eq!(
            problems(serde_json::json!({ "queue": { "name": "q" }, "bind": ["a"] })),
            ["declare.bind"]
        );
        let typed =
            serde_json::json!({ "queue": { "name": "q", "arguments": { "x-queue-type": "quorum" } } });
        assert_eq!(problems(typed), ["declare.queue.arguments.x-queue-type"]);
    }

    #[test]
    fn a_queue_is_a_quorum_queue_unless_it_says_otherwise() {
        let queue: DeclareQueue = serde_json::from_value(serde_json::json!({ "name": "q" })).unwrap();
        let table = queue.table().unwrap();
        assert_eq!(table.inner()["x-queue-type"], AMQPValue::LongString("quorum".into()));
    }
}

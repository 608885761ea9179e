//! The declaration of the `amqp` source.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, CheckContext, Context, Period, Probe, Problem, Result, Secret, SourceClass, SourceSpec,
    TlsOptions,
};

use super::consumer::{Consumed, QueueSource};
use super::probe;
use crate::link::{Address, Client, Declare, default_heartbeat, heartbeat_problem};

/// Consumes a queue of a broker that speaks AMQP 0.9.1 (RabbitMQ).
///
/// A message is acknowledged only when it is durable in every sink (or a dead letter, or filtered out), so whatever
/// happens, the broker still has it. Delivery is at least once: after a lost connection or a restart the broker delivers
/// again what was not acknowledged, at most `prefetch_count` messages; repeats within the last 1,000 are discarded.
///
/// `prefetch_count` is the backpressure: the broker sends no more than that many messages ahead of their acknowledgement.
/// Other consumers of the same queue share its messages, and then the order between them is lost; declare the queue with
/// `x-single-active-consumer` where order matters.
///
/// `meta.id` is the property `message_id`. A message without one is known by its content: queue, routing key, type,
/// timestamp and body; equal messages are counted, so that none passes for a repeat of another. `meta.type` is the
/// property `type`, else the routing key; `meta.time` the property `timestamp` (whole seconds), else when it was
/// received; the ordering key is the routing key. A body that is not one JSON object becomes a dead letter and is
/// acknowledged like any other.
///
/// No cursor is kept for a start: the queue itself knows where we stand.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = spec_example())]
pub struct AmqpSourceSpec {
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
    /// The queue to consume.
    #[schemars(length(min = 1, max = 255), example = &"orders")]
    pub queue: String,
    /// Most messages that the broker sends ahead of their acknowledgement.
    #[serde(default = "default_prefetch_count")]
    #[schemars(range(min = 1, max = 65_535))]
    pub prefetch_count: u16,
    /// What a message body is.
    #[serde(default)]
    pub format: BodyFormat,
    /// What to make on the broker if it is missing; unset: nothing.
    #[serde(default)]
    pub declare: Option<Declare>,
}

/// What a message body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// One JSON object.
    #[default]
    Json,
}

fn default_prefetch_count() -> u16 {
    1000
}

fn spec_example() -> serde_json::Value {
    serde_json::json!({ "url": "amqps://pipeline:${AMQP_PASSWORD}@broker.example.com", "queue": "orders" })
}

#[async_trait]
impl SourceSpec for AmqpSourceSpec {
    const TYPE: &'static str = "amqp";

    fn class(&self) -> SourceClass {
        SourceClass::Push
    }

    fn has_own_partitions(&self) -> bool {
        true
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Address::problems(&self.url, &self.tls);
        problems.extend(heartbeat_problem(self.heartbeat));
        if !(1..=255).contains(&self.queue.len()) {
            problems.push(Problem::new("queue", "the name of a queue has 1 to 255 bytes"));
        }
        if self.prefetch_count == 0 {
            let message = "without a limit the broker would send the whole queue at once";
            problems.push(Problem::new("prefetch_count", message).with_help("expected 1 to 65535"));
        }
        problems.extend(self.declared().map(|declare| declare.problems()).unwrap_or_default());
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let client = Client::new(&self.url, &self.tls, self.heartbeat, cx)?;
        let consumed = Consumed {
            declare: self.declared(),
            queue: self.queue,
            prefetch: self.prefetch_count,
            source: cx.component.clone(),
            account: cx.account.clone(),
        };
        Ok(BuiltSource::single(QueueSource::new(client, consumed, cx.environment.clock.clone())))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::look(Client::new(&self.url, &self.tls, self.heartbeat, cx), self).await
    }
}

impl AmqpSourceSpec {
    /// `declare`, with the queue's name filled in.
    pub(crate) fn declared(&self) -> Option<Declare> {
        let mut declare = self.declare.clone()?;
        if let Some(queue) = &mut declare.queue {
            queue.name.get_or_insert_with(|| self.queue.clone());
        }
        Some(declare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_testkit::NoFiles;

    fn problems(json: serde_json::Value) -> Vec<String> {
        let spec: AmqpSourceSpec = serde_json::from_value(json).unwrap();
        let cx = CheckContext { files: &NoFiles, sources: &[] };
        SourceSpec::check(&spec, &cx).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn options_are_checked_before_anything_runs() {
        let url = "amqp://localhost";
        assert!(problems(serde_json::json!({ "url": url, "queue": "q" })).is_empty());
        assert_eq!(problems(serde_json::json!({ "url": "amqp://broker", "queue": "q" })), ["url"]);
        assert_eq!(problems(serde_json::json!({ "url": url, "queue": "" })), ["queue"]);
        assert_eq!(
            problems(serde_json::json!({ "url": url, "queue": "q", "prefetch_count": 0 })),
            ["prefetch_count"]
        );
        let declare = serde_json::json!({ "url": url, "queue": "q", "declare": { "queue": {} } });
        assert!(problems(declare).is_empty());
    }
}

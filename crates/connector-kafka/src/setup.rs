//! What both shapes of the sink are made of: the recipe of a record, and the configuration of a producer.
//!
//! Every setting here is part of the promise; the escape hatch cannot reach them.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use sluicebox_core::{Clock, Error};

use crate::admin::Admin;
use crate::fault::{Fault, refusal, too_large_for_us};
use crate::record::Recipe;
use crate::verdict::Packing;

/// What a sink is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    /// How to reach the cluster.
    pub(crate) base: ClientConfig,
    /// The brokers, for messages.
    pub(crate) address: String,
    pub(crate) recipe: Recipe,
    pub(crate) partitioner: &'static str,
    pub(crate) compression: &'static str,
    pub(crate) max_message_bytes: usize,
    /// Longest wait without any progress.
    pub(crate) timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Bytes of a request unless a topic takes less: below the default `message.max.bytes` of a broker.
const BATCH_BYTES: usize = 1_000_000;

/// How long records wait for company. Short, because every window ends with a wait for its last report.
const LINGER: &str = "2";

/// How long a topic may stay unknown before its records fail: one that was just made is not known everywhere.
const PROPAGATION: &str = "5000";

impl Setup {
    /// The widest packing.
    pub(crate) fn packing(&self) -> Packing {
        Packing { batch_bytes: BATCH_BYTES.min(self.max_message_bytes), alone: false }
    }

    /// Longest that anything may take before it is reported as stuck.
    pub(crate) fn watchdog(&self) -> Duration {
        self.timeout * 6 + Duration::from_secs(60)
    }

    /// An idempotent producer whose records wait for the brokers without end: a record that times out would leave a
    /// gap, and those behind it would be written first.
    pub(crate) fn idempotent(&self, packing: Packing) -> ClientConfig {
        let mut config = self.producer(packing);
        config.set("message.timeout.ms", "0");
        config.set("socket.timeout.ms", self.timeout.as_millis().to_string());
        config
    }

    /// A transactional producer.
    pub(crate) fn transactional(&self, packing: Packing, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer(packing);
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", self.transaction_timeout().as_millis().to_string());
        config.set("socket.timeout.ms", self.timeout.as_millis().to_string());
        config
    }

    /// How long the brokers keep a transaction open that nobody ends.
    pub(crate) fn transaction_timeout(&self) -> Duration {
        self.timeout * 2
    }

    fn producer(&self, packing: Packing) -> ClientConfig {
        let mut config = self.base.clone();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("partitioner", self.partitioner);
        config.set("compression.codec", self.compression);
        config.set("message.max.bytes", self.max_message_bytes.to_string());
        config.set("batch.size", packing.batch_bytes.to_string());
        config.set("topic.metadata.propagation.max.ms", PROPAGATION);
        // Bounded by bytes alone: a window is never larger.
        config.set("queue.buffering.max.messages", "0");
        if packing.alone {
            config.set("batch.num.messages", "1");
        }
        if config.get("linger.ms").or(config.get("queue.buffering.max.ms")).is_none() {
            config.set("linger.ms", LINGER);
        }
        config
    }

    /// The packing after a request to `topic` was too large: smaller requests, if the topic says how small, else one by
    /// one.
    pub(crate) fn repacked(&self, packing: Packing, topic: &str) -> Packing {
        let admin = Admin::new(&self.base, self.timeout).ok();
        let limit = admin.and_then(|admin| admin.setting(topic, "max.message.bytes"));
        match limit.and_then(|limit| limit.parse().ok()).filter(|limit| *limit < packing.batch_bytes) {
            Some(batch_bytes) => Packing { batch_bytes, alone: false },
            None => Packing { alone: true, ..packing },
        }
    }

    /// Why a record did not get into the queue.
    pub(crate) fn refusal_of_send(&self, code: RDKafkaErrorCode, bytes: usize) -> Error {
        match Fault::of(code) {
            Fault::TooLarge => too_large_for_us(bytes),
            _ => refusal(code, self.recipe.topic.fixed()),
        }
    }
}

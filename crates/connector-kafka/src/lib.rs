//! Kafka: the `kafka` sink and source, over librdkafka.
//!
//! The sink is at least once with an idempotent producer, or exactly once with a transactional one that commits records,
//! dead letters and positions together. Invariant: whatever the brokers do, nothing is dropped in silence, and an owner
//! that another one has taken over from makes no record visible.

mod admin;
mod beside;
mod client;
mod exact;
mod fault;
mod forgotten;
mod ledger;
mod options;
mod own_topics;
mod plain;
mod probe;
mod producer;
mod reader;
mod record;
mod rendering;
mod settings;
mod setup;
mod source;
mod spec;
#[cfg(test)]
mod test_context;
#[cfg(test)]
mod test_events;
mod topic;
mod transaction;
mod transactor;
mod verdict;

pub use options::{SaslMechanism, SaslOptions, Setting, Tls};
pub use source::{Format, Isolation, KafkaSourceSpec, OnOffsetExpired, Part, Start};
pub use spec::{Compression, KafkaSpec, Partitioner, RecordTime};

/// Adds the component types of this crate.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.source::<KafkaSourceSpec>().sink::<KafkaSpec>();
}

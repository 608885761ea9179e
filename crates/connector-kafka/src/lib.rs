//! Kafka: the `kafka` sink and source, over librdkafka.
//!
//! The sink is at least once with an idempotent producer, or exactly once with a transactional one that commits records,
//! dead letters and positions together. Invariant: whatever the brokers do, nothing is dropped in silence, and an owner
//! that another one has taken over from makes no record visible.

mod client;
mod options;
mod settings;

pub use options::{SaslMechanism, SaslOptions, Setting, Tls, TlsOptions};

/// Adds the component types of this crate.
pub fn register(_registry: &mut sluicebox_core::Registry) {}

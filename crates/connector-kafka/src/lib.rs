//! Kafka: the `kafka` sink and source.

/// Adds the component types of this crate.
pub fn register(_registry: &mut sluicebox_core::Registry) {}

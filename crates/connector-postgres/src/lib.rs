//! PostgreSQL as a destination: the `postgres` sink.

/// Adds the component types of this crate.
pub fn register(_registry: &mut sluicebox_core::Registry) {}

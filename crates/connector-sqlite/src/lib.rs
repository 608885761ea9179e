//! SQLite as a destination: the `sqlite` sink.
//!
//! Rows, dead letters and positions share one SQL transaction, so the destination holds each event exactly once however
//! the pipeline ends. Invariant: an owner whose epoch is not the table's any more writes nothing.

mod fault;
mod group;
mod ledger;
mod probe;
mod session;
mod sink;
mod spec;
mod table;
mod types;
mod writer;

pub use spec::SqliteSpec;

/// Adds the sink type `sqlite`.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.sink::<SqliteSpec>();
}

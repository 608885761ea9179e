//! PostgreSQL as a destination: the `postgres` sink.
//!
//! Rows, dead letters and positions share one SQL transaction, so the destination holds each event exactly once however
//! the pipeline, the server or the connection between them ends. Invariant: an owner whose epoch is not the table's any
//! more writes nothing.

mod catalogue;
mod copy;
mod ddl;
mod fault;
mod guilt;
mod ledger;
mod link;
mod load;
mod names;
mod plain;
mod probe;
mod sink;
mod spec;
mod staging;
mod types;
mod window;

pub use spec::PostgresSpec;
pub use types::JsonType;

/// Adds the sink type `postgres`.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.sink::<PostgresSpec>();
}

//! Databases as something to look up in: the transform `sql_lookup`, and the rows of accounts.
//!
//! Floor 2 of the house, a crate of its own because it links two database clients. Invariant: a value of an event is
//! bound to a query and never a part of its text, and no query can write.

mod accounts;
mod bind;
mod database;
mod distribute;
mod enrich;
mod placeholders;
mod postgres;
mod probe;
mod spec;
mod sqlite;

pub use accounts::SqlAccounts;
pub use spec::{BatchOptions, RowsWanted, SqlLookup};

/// Adds the transform type `sql_lookup`, and `accounts: { sql: … }`.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.transform::<SqlLookup>();
    registry.accounts::<SqlAccounts>();
}

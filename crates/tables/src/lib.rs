//! Tables of events, without any database: which columns a table has, which types they hold, how both grow with the
//! events, and what a contract allows. The `sqlite` and `postgres` sinks share them.
//!
//! How a connector uses it: parse `columns`, `schema_contract`, `mode` and `key` with the types here, check them with
//! [`TableOptions::problems`], and build a [`TableWriter`] once. For each window, make a [`RowBatch`] of the events,
//! hand it to [`TableWriter::plan`] with the [`Table`] as it is, apply the [`Change`]s of the [`Plan`] and insert its
//! rows, all in one transaction.
//!
//! Invariant: what a plan writes is what the events say. A value that no column takes gets a column of its own, refuses
//! its row, pauses the sink or is left out and counted, as the contract says; none is changed or lost in silence.

mod batch;
mod cell;
mod column;
mod columns;
mod dialect;
mod evolution;
mod fit;
mod layout;
mod moment;
mod naming;
mod number;
mod options;
mod plan;
mod writer;

pub use batch::RowBatch;
pub use cell::{Cell, cell};
pub use column::{Column, ColumnType, Table};
pub use columns::{ColumnSpec, Columns};
pub use dialect::Dialect;
pub use layout::{DEFAULT_COLUMNS, Layout, NamedExpression};
pub use moment::{parse_moment, write_moment};
pub use options::{SchemaContract, TableOptions, WriteMode};
pub use plan::{Change, Discarded, Plan};
pub use writer::TableWriter;

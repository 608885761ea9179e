//! The way to a PostgreSQL server, for everybody who goes there: the `postgres` sink and `sql_lookup`.
//!
//! Floor 1, upper half. Invariant: what leaves this machine is encrypted unless the URL says otherwise, no message shows
//! a password, and nothing runs beside the pipeline.

mod address;
mod fault;
mod session;

pub use address::{Address, Unusable};
pub use fault::{class, classify, help, said};
pub use session::{Driver, Gate, Session, unusable};

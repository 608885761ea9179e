//! Real servers for tests: PostgreSQL, RabbitMQ, Apache Kafka, PouchDB Server, S3Proxy and Synapse on private
//! ports and folders.
//!
//! A test asks for the shared server (`cargo xtask services up` starts one of each) or for a private one, which it may
//! kill, freeze and start again. Both are `None` when `SLUICEBOX_SERVICES=skip`, so that a test returns at once:
//! `let Some(server) = Postgres::shared() else { return };`. Blocking code for Linux, and no crate of the house: the
//! tasks of a contributor use it too. Invariant: servers listen on the loopback interface only, nothing outside their
//! folder is touched, and only processes that were started here are ever ended.
#![allow(
    clippy::panic,
    reason = "shared() and private() fail the test that asked, in a sentence of their own"
)]

mod certificate;
mod error;
mod facts;
mod install;
mod kafka;
mod place;
mod ports;
mod postgres;
mod pouchdb;
mod private;
mod process;
mod rabbitmq;
mod s3proxy;
mod server;
mod shared;
mod sqlite;
mod synapse;
mod tools;

pub use error::{Error, Result};
pub use kafka::{Kafka, Proxied};
pub use postgres::Postgres;
pub use pouchdb::PouchDb;
pub use rabbitmq::{Message, RabbitMq};
pub use s3proxy::S3Proxy;
pub use shared::{NAMES, Status, Up, down, status, up};
pub use sqlite::sqlite3;
pub use synapse::Synapse;

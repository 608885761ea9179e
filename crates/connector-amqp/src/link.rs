//! The way to a broker, shared by sink and source: its address, TLS, one connection, what must exist there, and what
//! its errors mean.

mod address;
mod client;
mod declare;
mod fault;
mod heartbeat;
mod look;
mod table;

pub(crate) use address::Address;
pub(crate) use client::{Client, Link};
pub use declare::{Declare, DeclareExchange, DeclareQueue, ExchangeType, QueueType};
pub(crate) use fault::{classify, is_too_large, refused_size};
pub(crate) use heartbeat::{default_heartbeat, heartbeat_problem};
pub(crate) use look::{Look, enter, look_for_exchange, look_for_queue};
pub(crate) use table::{short, value};

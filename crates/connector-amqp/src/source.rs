//! The `amqp` source: consumes a queue and acknowledges what is durable everywhere.

mod consumer;
mod delivery;
mod identity;
mod probe;
mod session;
mod spec;

pub use spec::{AmqpSourceSpec, BodyFormat};

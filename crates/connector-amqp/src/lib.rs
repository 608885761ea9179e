//! AMQP 0.9.1 (RabbitMQ): the `amqp` sink and the `amqp` source.
//!
//! The sink publishes with confirms and takes nothing for delivered that the broker has not confirmed and routed; the
//! source acknowledges nothing that is not durable everywhere. Both hold one connection of their own and never let the
//! client library reconnect by itself: after a loss the next call connects anew. Invariant: a message is confirmed
//! upstream, or reported as written, only by the very connection that carried it.

mod link;
mod sink;
mod source;

pub use link::{Declare, DeclareExchange, DeclareQueue, ExchangeType, QueueType};
pub use sink::AmqpSinkSpec;
pub use source::{AmqpSourceSpec, BodyFormat};

/// Adds the sink type `amqp` and the source type `amqp`.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.sink::<AmqpSinkSpec>();
    registry.source::<AmqpSourceSpec>();
}

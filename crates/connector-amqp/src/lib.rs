//! AMQP 0.9.1 (RabbitMQ): the `amqp` sink and source.

/// Adds the component types of this crate.
pub fn register(_registry: &mut sluicebox_core::Registry) {}

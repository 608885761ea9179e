//! The `amqp` sink: publishes with confirms.

mod flight;
mod message;
mod probe;
mod publisher;
mod rendering;
mod spec;

pub use spec::AmqpSinkSpec;

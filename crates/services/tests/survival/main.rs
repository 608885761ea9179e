//! What servers of a test's own keep when they are killed. One program, so that they start side by side.

mod kafka;
mod postgres;
mod rabbitmq;

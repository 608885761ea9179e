//! The light sinks, one module each: `file`, `http`, `slack`, `stdout`, `blackhole`.
//!
//! Invariant: a sink answers `Ok` only for what is durable (or was meant to vanish), and holds no retry or batching
//! loop of its own.

mod blackhole;
mod file;
mod http;
mod lines;
mod slack;
mod stdout;

pub use self::http::{Batching, Body, ErrorRule, Frame, HttpSpec, Method, Statuses, Then, UnknownOutcome};
pub use blackhole::BlackholeSpec;
pub use file::{Compression, FileSpec, Format, Rotate};
pub use slack::{DigestOptions, OnAmbiguous, OnChannelError, SlackSpec};
pub use stdout::StdoutSpec;

/// Adds the sink types of this crate.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry
        .sink::<BlackholeSpec>()
        .sink::<FileSpec>()
        .sink::<HttpSpec>()
        .sink::<SlackSpec>()
        .sink::<StdoutSpec>();
}

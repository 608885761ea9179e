//! Sources that are declared, not programmed: `http_poll`, any API with a cursor, written in YAML, inline in a pipeline or
//! as a connector in a file of its own.
//!
//! Invariant: the language is capped. It names places in requests and answers and has no rules of its own; what it
//! cannot say is written in Rust. Cursors are the API's own text, byte for byte.

mod http_poll;
mod plugin;

pub use http_poll::{
    Class, CursorKind, CursorOptions, ErrorRule, EventOptions, HttpPoll, Meaning, MoreOptions, NextOptions,
    OnCursorExpired, PageOptions, PollMethod, RequestOptions, Several, TimeFormat,
};

pub use plugin::{Attempt, Plugin, TrialOutcome, shipped};

/// Adds every source of this crate, and the connectors that ship.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.source::<HttpPoll>();
    for connector in shipped() {
        connector.register(registry);
    }
}

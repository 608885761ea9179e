//! `http_poll` against the emulators over TCP: what the connectors of both APIs (`tests/suite`) do not declare.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod opentrain;
mod zenzap;

/// The sources of this crate.
fn registry() -> sluicebox_core::Registry {
    let mut registry = sluicebox_core::Registry::new();
    sluicebox_declared::register(&mut registry);
    registry
}

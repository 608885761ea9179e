//! Sources against the emulators over TCP, beside the suite of feeds: everything arrives, in order, byte for byte.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod job_changes;
mod zenzap;

/// The sources of this crate.
fn registry() -> sluicebox_core::Registry {
    let mut registry = sluicebox_core::Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

//! The suite of feeds, for the built-in ones: `crates/testkit/tests/feeds`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap fails the test, in its support code too"
)]

use sluicebox_core::Registry;
use sluicebox_testkit::Form;

#[path = "../../../testkit/tests/feeds/mod.rs"]
mod feeds;

/// What is tested here.
const FORM: Form = Form::BuiltIn;

/// The sources of this crate.
fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

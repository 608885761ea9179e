//! The suite of feeds, for the connectors of both APIs: `crates/testkit/tests/feeds`.

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
const FORM: Form = Form::Declared;

/// The sources of this crate, the shipped connectors among them.
fn registry() -> Registry {
    let mut registry = Registry::new();
    sluicebox_declared::register(&mut registry);
    registry
}

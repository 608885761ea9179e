//! Connectors: those that ship pass their own tests, and what is wrong with a file is told at its place.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap fails the test, in its support code too"
)]

mod files;
mod options;
mod own;
mod secrets;

//! `http_poll` over a scripted transport: what the emulators do not do, and what `check` finds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap fails the test, in its support code too"
)]

mod cursors;
mod meanings;
mod pages;
mod problems;
mod signatures;
mod support;

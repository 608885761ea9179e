//! The `file` source on a real disk: what is read, in which order, and what a rotation, a cut, a copy or a restart leaves.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod formats;
mod rotation;
mod support;
mod watching;

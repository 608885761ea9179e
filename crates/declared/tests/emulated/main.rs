//! `http_poll` against the emulators over TCP, with their faults: everything arrives, in order, byte for byte.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod connectors;
mod opentrain;
mod support;
mod zenzap;

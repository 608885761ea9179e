//! The client over real TCP, against a server that writes scripted bytes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod credentials;
mod exchange;
mod secrecy;
mod support;

//! The client over real TCP, against a server that writes scripted bytes, and over real TLS.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod calls;
mod certificates;
mod credentials;
mod exchange;
mod secrecy;
mod signed;
mod support;

//! `check --connect` against emulators and real servers: what is fine, and what is wrong with what to do about it. The
//! pipelines of the repository are asked in the tests of each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod destinations;
mod sources;

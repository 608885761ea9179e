//! The suite of feeds: what the contracts of both APIs ask of a source, as one set of tests for the built-in source and for
//! the connector.
//!
//! Each crate that has such sources includes this folder in a test program of its own, which gives `FORM` and
//! `registry()`. The pages and answers of the contracts are played on paused time; the emulators strike over TCP, with
//! waits in haste. Invariant: a test asks `FORM` where the forms differ, so that every difference stands in
//! `testkit/src/form.rs`.

mod emulated;
mod emulated_opentrain;
mod emulated_zenzap;
mod laws;
mod opentrain;
mod opentrain_refusals;
mod scripted;
mod zenzap;
mod zenzap_offsets;
mod zenzap_refusals;

//! The sources against scripted answers: every status and every trap of the contracts, on paused time.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod bell;
mod generate;
mod job_changes;
mod matrix;
mod opentrain;
mod options;
mod support;
mod zenzap;

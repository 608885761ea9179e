//! Sources against scripted answers on paused time: what is theirs alone, beside the suite of feeds (`tests/suite`).

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, in its support code too")]

mod bell;
mod generate;
mod job_changes;
mod matrix;
mod opentrain;
mod options;
mod support;
mod zenzap;

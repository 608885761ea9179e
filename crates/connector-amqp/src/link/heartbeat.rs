//! The option `heartbeat`: what it is unless stated, and what it may be.

use sluicebox_core::{Period, Problem};

/// Longest heartbeat that makes sense, in seconds; the protocol ends at 65,535.
const LONGEST_SECONDS: u64 = 3600;

/// The heartbeat of a component that states none.
pub(crate) fn default_heartbeat() -> Period {
    Period::from_secs(15)
}

/// What is wrong with a heartbeat, if anything.
pub(crate) fn heartbeat_problem(heartbeat: Period) -> Option<Problem> {
    let is_fine = (1..=LONGEST_SECONDS).contains(&heartbeat.0.as_secs()) && heartbeat.0.subsec_nanos() == 0;
    let message = "expected whole seconds, from `1s` to `1h`";
    (!is_fine).then(|| Problem::new("heartbeat", message))
}

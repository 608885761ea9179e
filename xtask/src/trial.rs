//! Trials: tests that run in a short form with the others and in full by name, as long as they need.

use std::path::Path;

use crate::{Outcome, cargo};

/// A test of the command line program that the environment makes longer.
struct Trial {
    name: &'static str,
    test: &'static str,
    /// The variable that asks for the full form, and what it is set to unless the call says otherwise.
    full: (&'static str, &'static str),
}

const TRIALS: [Trial; 2] = [
    Trial { name: "kill-loop", test: "kill_loop", full: ("SLUICEBOX_KILLS", "50") },
    Trial { name: "storm", test: "storm", full: ("SLUICEBOX_STORM_EVENTS", "20000") },
];

/// Whether there is a trial of this name.
pub(crate) fn is_one(name: &str) -> bool {
    TRIALS.iter().any(|trial| trial.name == name)
}

/// Runs a trial in full, optimised, with its figures shown. `amount` replaces the usual number of kills or events.
pub(crate) fn run(root: &Path, name: &str, amount: Option<&str>) -> Outcome {
    let trial = TRIALS.iter().find(|trial| trial.name == name).ok_or("no such trial")?;
    let (variable, usual) = trial.full;
    let words =
        ["test", "--release", "--package", "sluicebox-cli", "--test", trial.test, "--", "--nocapture"];
    Ok(cargo::command(root, &words).env(variable, amount.unwrap_or(usual)).status()?.success())
}

//! Trials: tests that run in a short form with the others and in full by name, as long as they need.

use std::path::Path;

use crate::{Outcome, cargo, services};

/// A test that the environment makes longer.
struct Trial {
    name: &'static str,
    package: &'static str,
    test: &'static str,
    /// Only the tests whose names hold this.
    only: &'static str,
    /// The variable that asks for the full form, and what it is set to unless the call says otherwise.
    full: (&'static str, &'static str),
    /// Another variable that goes with it.
    also: &'static [(&'static str, &'static str)],
    needs_services: bool,
}

/// The package of the command line program.
const PROGRAM: &str = "sluicebox-cli";

const TRIALS: [Trial; 6] = [
    Trial {
        name: "kill-loop",
        package: PROGRAM,
        test: "kill_loop",
        only: "",
        full: ("SLUICEBOX_KILLS", "50"),
        also: &[],
        needs_services: false,
    },
    Trial {
        name: "sink-kills",
        package: PROGRAM,
        test: "contract",
        only: "killed",
        full: ("SLUICEBOX_KILLS", "20"),
        also: &[("SLUICEBOX_SERVER_KILLS", "10")],
        needs_services: true,
    },
    Trial {
        name: "webhook-kills",
        package: PROGRAM,
        test: "webhook_kills",
        only: "",
        full: ("SLUICEBOX_KILLS", "200"),
        also: &[("SLUICEBOX_SENDERS", "50")],
        needs_services: false,
    },
    Trial {
        name: "bell",
        package: PROGRAM,
        test: "bell",
        only: "at_once",
        full: ("SLUICEBOX_RINGS", "300"),
        also: &[],
        needs_services: false,
    },
    Trial {
        name: "storm",
        package: PROGRAM,
        test: "storm",
        only: "",
        full: ("SLUICEBOX_STORM_EVENTS", "20000"),
        also: &[],
        needs_services: false,
    },
    Trial {
        name: "rules-fuzz",
        package: "sluicebox-rules",
        test: "lowered",
        only: "",
        full: ("SLUICEBOX_RULE_CASES", "1000000"),
        also: &[],
        needs_services: false,
    },
];

/// Whether there is a trial of this name.
pub(crate) fn is_one(name: &str) -> bool {
    TRIALS.iter().any(|trial| trial.name == name)
}

/// Runs a trial in full, optimised, with its figures shown. `amount` replaces the usual number of kills, events or cases.
pub(crate) fn run(root: &Path, name: &str, amount: Option<&str>) -> Outcome {
    let trial = TRIALS.iter().find(|trial| trial.name == name).ok_or("no such trial")?;
    let started = if trial.needs_services { services::start(false)?.started } else { Vec::new() };
    let (variable, usual) = trial.full;
    let words = ["test", "--release", "--package", trial.package, "--test", trial.test, "--", "--nocapture"];
    let mut command = cargo::command(root, &words);
    command.args(Some(trial.only).filter(|only| !only.is_empty()));
    let status = command
        .env(variable, amount.unwrap_or(usual))
        .envs(trial.also.iter().copied())
        .env("SLUICEBOX_SERVICES", "require")
        .status();
    if !started.is_empty() {
        sluicebox_services::down(&started)?;
    }
    Ok(status?.success())
}

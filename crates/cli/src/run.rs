//! `run`: pipelines side by side until stopped, or until they are caught up. One that fails stops no other.

mod accounts;
mod launch;
mod verdict;

use std::sync::Arc;

use sluicebox_config::{LocatedProblem, Plan};
use sluicebox_core::Registry;
use tokio_util::sync::CancellationToken;

pub(crate) use launch::Launch;

use crate::arguments::RunArguments;
use crate::diagnostics::{self, Severity};
use crate::exit::{Ended, Exit};
use crate::fleet::Fleet;
use crate::logs::Logs;
use crate::outside::ProcessVariables;
use crate::{admin, pipeline_files, progress, signals, terminal};

/// Runs the pipelines of the files.
pub(crate) async fn verb(registry: Registry, arguments: RunArguments, logs: Logs) -> Ended {
    let files = pipeline_files::expand(&arguments.files)?;
    let state_dir = pipeline_files::state_dir(&arguments.state.state_dir)?;
    let policy = admin::Policy::of(&arguments.admin)?;
    let (mut plans, mut exit) = (Vec::new(), Exit::Done);
    for file in &files {
        match pipeline_files::load(file, &registry, &ProcessVariables::default(), false) {
            Ok(plan) => {
                report(&plan.warnings, Severity::Warning, &logs);
                if arguments.once && only_listens(&plan) {
                    tracing::error!(
                        pipeline = %plan.name,
                        help = "leave `--once` out",
                        "every source waits for others to send: `--once` would have no end"
                    );
                    exit = Exit::Configuration;
                } else {
                    plans.push(plan);
                }
            }
            Err(problems) => {
                report(&problems.problems, Severity::Error, &logs);
                exit = Exit::Configuration;
            }
        }
    }
    let (plans, taken) = pipeline_files::unique(plans);
    if !taken.is_empty() {
        report(&taken, Severity::Error, &logs);
        exit = Exit::Configuration;
    }
    if plans.is_empty() {
        return Ok(exit);
    }
    tracing::info!("the state lies in {}", state_dir.display());
    let drain = CancellationToken::new();
    signals::watch(drain.clone())?;
    let fleet = Arc::new(Fleet::new());
    let server = admin::start(policy, Arc::clone(&fleet)).await?;
    let progress = arguments.once.then(|| progress::start(Arc::clone(&fleet), &logs));
    let registry = Some(Arc::new(registry));
    let launch = Launch { state_dir, once: arguments.once, drain, fleet, registry };
    let ended = launch.all(plans).await;
    drop((progress, server));
    Ok(exit.max(ended))
}

/// Whether no source can say when it has everything.
fn only_listens(plan: &Plan) -> bool {
    let mut accounts = plan.sources.iter().flat_map(|source| &source.accounts);
    accounts.all(|account| account.config.listens())
}

/// Shows problems: in rustc's style for people, as log lines for machines.
fn report(problems: &[LocatedProblem], severity: Severity, logs: &Logs) {
    if !logs.json {
        terminal::complain(&diagnostics::render(problems, severity, terminal::colour()));
        return;
    }
    for problem in problems {
        let LocatedProblem { file, line, column, message, .. } = problem;
        let (path, help) = (problem.path.as_str(), problem.help.as_deref());
        match severity {
            Severity::Error => tracing::error!(file, line, column, path, help, "{message}"),
            Severity::Warning => tracing::warn!(file, line, column, path, help, "{message}"),
        }
    }
}

//! How a runtime can fail, one type for each step: building it, starting it, running it.

use sluicebox_checkpoints::OpenError;
use sluicebox_config::Report;
use sluicebox_core::Error;
use sluicebox_engine::{Failure, Outcome};

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The builder was not told something that has no default.
    #[error("the runtime was given no {0}")]
    Missing(&'static str),
    /// The pipeline is wrong: every problem with its file, line and column, and what to do.
    #[error("{0}")]
    Refused(Report),
}

/// Why a pipeline did not start. Nothing of it runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state cannot be opened: held by another process or runtime, damaged, newer.
    #[error(transparent)]
    State(#[from] OpenError),
    /// The accounts of a source stand in a database, and cannot be read there.
    #[error("the accounts cannot be read")]
    Accounts(#[source] Error),
    /// The accounts that were read are wrong.
    #[error("{0}")]
    Refused(Report),
    /// A component cannot be built, or a destination cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// How a run ended that ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every source came to its end, or was caught up where that was asked for, and everything is delivered.
    Finished,
    /// It was drained: everything that was in flight is settled, and the next start goes on from there.
    Drained,
}

/// How a run ended that did not end well. No cursor is ahead of what is durable: the next start delivers the rest.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It ran until it was caught up, but these sources had paused.
    #[error("ended with paused sources: {}", .0.join("; "))]
    Paused(Vec<String>),
    /// What was in flight could not be settled in time.
    #[error("the drain took too long: what was in flight is delivered again at the next start")]
    DrainTimeout,
    /// It broke.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// The engine's word for an end as a result.
pub(crate) fn judged(outcome: Outcome) -> Result<Ended, RunError> {
    match outcome {
        Outcome::Finished => Ok(Ended::Finished),
        Outcome::Drained => Ok(Ended::Drained),
        Outcome::Paused(sources) => Err(RunError::Paused(sources)),
        Outcome::DrainTimeout => Err(RunError::DrainTimeout),
        Outcome::Failed(failure) => Err(RunError::Failed(failure)),
    }
}

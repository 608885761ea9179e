//! A running pipeline that is waited for in a task of its own, for hosts that do other things meanwhile.
//!
//! Invariant: failures are noticed whether somebody waits or not, and the end is told as often as it is asked for.

use tokio::task::JoinSet;

use crate::running::Running;
use crate::status::{Failure, Outcome};

/// The end of a pipeline, to be waited for again and again. Dropping it ends the pipeline at once.
pub struct Supervised {
    /// At most one.
    task: JoinSet<Outcome>,
    ended: Option<Outcome>,
}

impl Supervised {
    pub(crate) fn new(running: Running) -> Self {
        let mut task = JoinSet::new();
        task.spawn(running.wait());
        Self { task, ended: None }
    }

    /// Waits for the end, as [`Running::wait`] does. Cancel-safe.
    pub async fn wait(&mut self) -> Outcome {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let ended = match self.task.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => Outcome::Failed(crate::running::panicked(error)),
            None => Outcome::Failed(Failure::Stopped),
        };
        self.ended.insert(ended).clone()
    }
}

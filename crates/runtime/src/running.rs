//! A pipeline at work inside a program: watched, waited for, drained.
//!
//! Invariant: a wait that is given up loses nothing; the pipeline goes on, and can be waited for again.

use std::sync::{Arc, OnceLock};

use sluicebox_engine::{Metrics, PipelineStatus, Subject, Supervised, Trace, Watch};
use tokio_util::sync::CancellationToken;

use crate::errors::{Ended, RunError, judged};

/// A pipeline that runs. Dropping it ends the pipeline at once, without a drain: nothing is lost, since cursors never
/// are ahead of what is durable, but what was in flight is delivered again.
pub struct Running {
    supervised: Supervised,
    handle: Handle,
}

/// A view of a running pipeline for other tasks: cheap to clone, and it keeps nothing alive.
#[derive(Clone)]
pub struct Handle {
    watch: Watch,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
    /// The state after the end, once somebody has waited for it.
    ended: Arc<OnceLock<&'static str>>,
}

impl Running {
    pub(crate) fn new(
        running: sluicebox_engine::Running,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Self {
        let handle = Handle { watch: running.watch(), metrics, drain, ended: Arc::default() };
        Self { supervised: running.supervised(), handle }
    }

    /// A view for other tasks: a page of health, a signal handler.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// See [`Handle::status`].
    pub fn status(&self) -> PipelineStatus {
        self.handle.status()
    }

    /// See [`Handle::metrics`].
    pub fn metrics(&self) -> String {
        self.handle.metrics()
    }

    /// Waits until the pipeline ends: by itself, because someone began the drain, or broken. Nothing of it runs then, and
    /// its state may be opened again.
    ///
    /// Cancel-safe: one may stop waiting and wait again; the end is told every time.
    ///
    /// # Errors
    /// [`RunError`], if it did not end well.
    pub async fn wait(&mut self) -> Result<Ended, RunError> {
        let ended = judged(self.supervised.wait().await);
        self.handle.ended.get_or_init(|| if ended.is_ok() { "finished" } else { "failed" });
        ended
    }

    /// Polls no more, delivers what is in flight, saves where the sources stand, and ends.
    ///
    /// Cancel-safe as [`Running::wait`] is; the drain goes on.
    ///
    /// # Errors
    /// [`RunError`], if it did not end well.
    pub async fn drain(&mut self) -> Result<Ended, RunError> {
        self.handle.begin_drain();
        self.wait().await
    }
}

impl Handle {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        self.watch.name()
    }

    /// What it looks like now: every component with its counters, every partition with its cursor, who is paused and why.
    pub fn status(&self) -> PipelineStatus {
        let mut status = self.watch.status();
        status.state = self.ended.get().copied().unwrap_or(status.state);
        status
    }

    /// Its metrics in the text format of Prometheus, with those of every runtime that shares them.
    pub fn metrics(&self) -> String {
        self.watch.refresh_metrics();
        self.metrics.render()
    }

    /// Follows events from now on, until the trace is dropped or the pipeline ends; no event is held up.
    pub fn trace(&self, subject: Subject) -> Trace {
        self.watch.trace(subject)
    }

    /// The engine's own view.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Begins the drain, and does not wait for it.
    pub fn begin_drain(&self) {
        self.drain.cancel();
    }
}

//! A checked pipeline with all that it takes to start it.
//!
//! Invariant: until `start`, nothing was opened, asked or written.

use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_checkpoints::SqliteStore;
use sluicebox_config::{LocatedProblem, Plan, Route};
use sluicebox_core::{CheckpointStore, Shared, StateFolder};
use sluicebox_engine::{Failure, Metrics, RunOptions, Surroundings};
use tokio_util::sync::CancellationToken;

use crate::builder::Builder;
use crate::errors::StartError;
use crate::loading::Folder;
use crate::running::Running;

/// Where the state lies.
pub(crate) enum State {
    Folder(PathBuf),
    Store(Arc<dyn CheckpointStore>),
}

/// A pipeline that is read, checked and ready to start.
pub struct Runtime {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    pub(crate) options: RunOptions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: CancellationToken,
    pub(crate) shared: Shared,
}

impl Runtime {
    /// Says what to run, and how.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The pipeline's name: under it lie its state, its metrics and its positions in destinations.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What the pipeline promises from each source to each sink, and why.
    pub fn routes(&self) -> &[Route] {
        &self.plan.routes
    }

    /// What is legal in the pipeline but probably not meant, with its place.
    pub fn warnings(&self) -> &[LocatedProblem] {
        &self.plan.warnings
    }

    /// The pipeline as it was understood.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether it ends by itself once every source is caught up: asked for, or because every source has an end.
    pub fn is_once(&self) -> bool {
        self.options.once
    }

    /// Where the components of the pipeline find what their host gives them, before they are built.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Opens the state, builds every component, takes ownership of the destinations and begins to poll.
    ///
    /// To be called on a tokio runtime with time and I/O enabled, whose threads then do the work.
    ///
    /// # Errors
    /// [`StartError`]; nothing of the pipeline runs then.
    pub async fn start(self) -> Result<Running, StartError> {
        let store = match self.state {
            State::Store(store) => store,
            State::Folder(dir) => {
                let name = self.plan.name.clone();
                self.shared.publish("", "", Arc::new(StateFolder(dir.join(&name))));
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&dir, &name)).await;
                let interrupted = |error| Failure::State(format!("opening it was interrupted: {error}"));
                Arc::new(opened.map_err(interrupted)??)
            }
        };
        let surroundings = Surroundings {
            store,
            files: Arc::new(Folder::of(&self.plan.file)),
            metrics: Arc::clone(&self.metrics),
            shared: self.shared,
            options: self.options,
            drain: self.drain.clone(),
        };
        let running = sluicebox_engine::start(self.plan, surroundings).await?;
        Ok(Running::new(running, self.metrics, self.drain))
    }
}

//! A checked pipeline with all that it takes to start it.
//!
//! Invariant: until `start`, nothing was opened, asked or written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_checkpoints::SqliteStore;
use sluicebox_config::{LocatedProblem, Plan, Route};
use sluicebox_core::{CheckpointStore, Environment, Shared, StateFolder};
use sluicebox_engine::{Failure, Metrics, RunOptions, Surroundings};
use tokio_util::sync::CancellationToken;

use crate::accounts::AccountReader;
use crate::builder::{Builder, Written};
use crate::errors::StartError;
use crate::loading::Folder;
use crate::running::Running;

/// Where the state lies.
pub(crate) enum State {
    Folder(PathBuf),
    Opened(OpenedState),
    Store(Arc<dyn CheckpointStore>),
}

/// The state of a pipeline, opened and locked: nobody else runs that pipeline while this or a run with it is there.
pub struct OpenedState {
    store: Arc<SqliteStore>,
    /// For files that components keep beside it.
    folder: StateFolder,
}

impl OpenedState {
    /// Opens the state that a pipeline of this name has under `dir`, or makes it.
    ///
    /// # Errors
    /// [`StartError::State`]: it is held by someone else, damaged, newer.
    pub async fn open(dir: PathBuf, pipeline: &str) -> Result<Self, StartError> {
        let folder = StateFolder(dir.join(pipeline));
        let name = pipeline.to_owned();
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&dir, &name)).await;
        let interrupted = |error| Failure::State(format!("opening it was interrupted: {error}"));
        Ok(Self { store: Arc::new(opened.map_err(interrupted)??), folder })
    }

    fn parts(self) -> (Arc<dyn CheckpointStore>, Option<StateFolder>) {
        (self.store, Some(self.folder))
    }
}

/// A pipeline that is read, checked and ready to start.
pub struct Runtime {
    pub(crate) plan: Plan,
    /// Without it, the plan was given as it is.
    pub(crate) written: Option<Written>,
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

    /// Opens the state, reads accounts that stand in a database, builds every component, takes ownership of the
    /// destinations and begins to poll.
    ///
    /// To be called on a tokio runtime with time and I/O enabled, whose threads then do the work.
    ///
    /// # Errors
    /// [`StartError`]; nothing of the pipeline runs then. [`Failure::Stopped`] if the drain had begun before.
    pub async fn start(self) -> Result<Running, StartError> {
        // A poll that is ready at once could win against a drain that began before it.
        if self.drain.is_cancelled() {
            return Err(StartError::Failed(Failure::Stopped));
        }
        let (store, folder) = match self.state {
            State::Store(store) => (store, None),
            State::Opened(opened) => opened.parts(),
            State::Folder(dir) => OpenedState::open(dir, &self.plan.name).await?.parts(),
        };
        if let Some(folder) = folder {
            self.shared.publish("", "", Arc::new(folder));
        }
        let plan = match self.written {
            Some(written) => accounts_of(written, self.plan, &self.options.environment).await?,
            None => self.plan,
        };
        let surroundings = Surroundings {
            store,
            files: Arc::new(Folder::of(&plan.file)),
            metrics: Arc::clone(&self.metrics),
            shared: self.shared,
            options: self.options,
            drain: self.drain.clone(),
        };
        let running = sluicebox_engine::start(plan, surroundings).await?;
        Ok(Running::new(running, self.metrics, self.drain))
    }
}

/// The plan with the accounts that stand in databases, if there are such.
async fn accounts_of(written: Written, plan: Plan, environment: &Environment) -> Result<Plan, StartError> {
    let readers = AccountReader::unread(&plan, environment);
    if readers.is_empty() {
        return Ok(plan);
    }
    let mut rows = HashMap::new();
    for reader in readers {
        let read = reader.read().await.map_err(StartError::Accounts)?;
        rows.insert(reader.source.to_string(), read);
    }
    written.with_accounts(rows).map_err(StartError::Refused)
}

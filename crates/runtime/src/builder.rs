//! Collects what a runtime is made of: components, a pipeline, its variables, a place for its state.
//!
//! Invariant: what is not given is not looked for elsewhere; the environment of the process is never read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_config::{Inputs, Plan, Report, Variables};
use sluicebox_core::{AccountRow, CheckpointStore, Environment, Registry, Shared};
use sluicebox_engine::{Caps, Metrics, RunOptions, system};
use tokio_util::sync::CancellationToken;

use crate::errors::BuildError;
use crate::loading::{self, Folder};
use crate::runtime::{OpenedState, Runtime, State};

/// Builds a [`Runtime`]. A registry of components, a pipeline and a place for the state are needed; all else
/// has defaults.
#[must_use]
#[derive(Default)]
pub struct Builder {
    registry: Option<Arc<Registry>>,
    pipeline: Option<Origin>,
    variables: Given,
    state: Option<State>,
    once: bool,
    drain_limit: Option<Duration>,
    caps: Option<Caps>,
    environment: Option<Environment>,
    metrics: Option<Arc<Metrics>>,
    drain: CancellationToken,
}

/// Where the pipeline comes from.
enum Origin {
    Planned(Box<Plan>),
    Written(Pipeline),
}

/// A pipeline as somebody wrote it.
enum Pipeline {
    File(PathBuf),
    Text { file: PathBuf, text: String },
}

/// The variables that were given, and nothing else but the accounts that were read.
#[derive(Default)]
struct Given {
    set: HashMap<String, String>,
    /// Rows by the names of their sources.
    accounts: HashMap<String, Vec<AccountRow>>,
}

/// What it takes to read a pipeline again.
pub(crate) struct Written {
    registry: Arc<Registry>,
    pipeline: Pipeline,
    variables: Given,
}

impl Variables for Given {
    fn get(&self, name: &str) -> Option<String> {
        self.set.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        loading::read(Path::new(path))
    }

    fn account_rows(&self, source: &str) -> Option<&[AccountRow]> {
        self.accounts.get(source).map(Vec::as_slice)
    }
}

impl Builder {
    /// The components that a pipeline may name: `sluicebox_bundle::registry()`, perhaps with some of your own. An
    /// `Arc` of one serves several runtimes.
    pub fn registry(mut self, registry: impl Into<Arc<Registry>>) -> Self {
        self.registry = Some(registry.into());
        self
    }

    /// A pipeline file. Scripts and tables that it names lie beside it; data is relative to the working directory.
    pub fn pipeline_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.pipeline = Some(Origin::Written(Pipeline::File(file.into())));
        self
    }

    /// A pipeline from memory. Problems name it `file`; without `name:` in the text it is called as the stem of that, and
    /// scripts are looked for in its folder. There need be no such file.
    pub fn pipeline_text(mut self, file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let written = Pipeline::Text { file: file.into(), text: text.into() };
        self.pipeline = Some(Origin::Written(written));
        self
    }

    /// A pipeline that [`load`](crate::load) has read; then no registry is needed.
    pub fn pipeline_plan(mut self, plan: Plan) -> Self {
        self.pipeline = Some(Origin::Planned(Box::new(plan)));
        self
    }

    /// What `${NAME}` stands for in the pipeline. `${file:PATH}` reads that file; nothing else comes from outside.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.set.insert(name.into(), value.into());
        self
    }

    /// Several variables: a map of yours, or `std::env::vars()` if the pipeline shall see the environment.
    pub fn variables<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.variables.set.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Keeps cursors, dead letters and whatever else must outlive the process in a file under this folder, which
    /// pipelines with different names may share. The verbs `cursor` and `dlq` of the command read it with `--state-dir`.
    pub fn state_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state = Some(State::Folder(dir.into()));
        self
    }

    /// Keeps the state where it has been opened already.
    pub fn state(mut self, opened: OpenedState) -> Self {
        self.state = Some(State::Opened(opened));
        self
    }

    /// Forgets where the sources stand when the pipeline ends: the next start begins at their `start:`. For tests, and for
    /// pipelines whose position lies in the destination.
    pub fn state_in_memory(self) -> Self {
        self.state_store(Arc::new(MemoryStore::new()))
    }

    /// Keeps the state in a store of your own. Sources that keep files beside it (webhooks) cannot be run with one.
    pub fn state_store(mut self, store: Arc<dyn CheckpointStore>) -> Self {
        self.state = Some(State::Store(store));
        self
    }

    /// Ends once every source is caught up and everything is delivered, as `run --once` does.
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// How long a drain may take; 25 seconds unless said.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = Some(limit);
        self
    }

    /// Begins the drain when this is cancelled: one signal for many runtimes.
    pub fn drain_on(mut self, signal: &CancellationToken) -> Self {
        self.drain = signal.child_token();
        self
    }

    /// Bounds on what is in flight.
    pub fn caps(mut self, caps: Caps) -> Self {
        self.caps = Some(caps);
        self
    }

    /// Time and chance that are not those of the machine.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Counts into these metrics, which several runtimes may share; else the runtime has its own.
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reads and checks the pipeline. Nothing is connected to, opened or started.
    ///
    /// # Errors
    /// [`BuildError::Refused`] with everything that is wrong with the pipeline; [`BuildError::Missing`] if the builder
    /// was not told enough.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let state = self.state.ok_or(BuildError::Missing("place for its state"))?;
        let (plan, written) = match self.pipeline.ok_or(BuildError::Missing("pipeline"))? {
            Origin::Planned(plan) => (*plan, None),
            Origin::Written(pipeline) => {
                let registry = self.registry.ok_or(BuildError::Missing("registry of components"))?;
                let written = Written { registry, pipeline, variables: self.variables };
                (written.load().map_err(BuildError::Refused)?, Some(written))
            }
        };
        let environment = self.environment.unwrap_or_else(system);
        let mut options = RunOptions::new(environment);
        options.once = self.once || ends(&plan);
        options.drain_limit = self.drain_limit.unwrap_or(options.drain_limit);
        options.caps = self.caps.unwrap_or(options.caps);
        Ok(Runtime {
            plan,
            written,
            state,
            options,
            metrics: self.metrics.unwrap_or_else(|| Arc::new(Metrics::new())),
            drain: self.drain,
            shared: Shared::default(),
        })
    }
}

impl Written {
    fn load(&self) -> Result<Plan, Report> {
        match &self.pipeline {
            Pipeline::File(file) => loading::load(file, &self.registry, &self.variables, false),
            Pipeline::Text { file, text } => {
                let files = Folder::of(file);
                let inputs =
                    Inputs { variables: &self.variables, files: &files, allow_missing_secrets: false };
                sluicebox_config::load(file, text, &self.registry, &inputs)
            }
        }
    }

    /// The plan with the accounts that were read.
    pub(crate) fn with_accounts(
        mut self,
        accounts: HashMap<String, Vec<AccountRow>>,
    ) -> Result<Plan, Report> {
        self.variables.accounts = accounts;
        self.load()
    }
}

/// Whether every source comes to an end by itself.
fn ends(plan: &Plan) -> bool {
    let mut accounts = plan.sources.iter().flat_map(|source| &source.accounts);
    accounts.all(|account| account.config.ends())
}

//! Starting pipelines and waiting for all of them, each with its own state and its own end.

use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_checkpoints::SqliteStore;
use sluicebox_config::Plan;
use sluicebox_core::{Registry, Shared, StateFolder};
use sluicebox_engine::{RunOptions, Surroundings, system};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accounts;
use super::verdict::{self, Verdict};
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::outside::Folder;

/// What pipelines of one process have in common.
#[derive(Clone)]
pub(crate) struct Launch {
    /// Absolute.
    pub(crate) state_dir: PathBuf,
    pub(crate) once: bool,
    /// Cancelled to begin the drain of all.
    pub(crate) drain: CancellationToken,
    pub(crate) fleet: Arc<Fleet>,
    /// What pipelines are read with again when a file of accounts changes; without it none is looked at.
    pub(crate) registry: Option<Arc<Registry>>,
}

/// Whether every source comes to an end by itself.
fn ends(plan: &Plan) -> bool {
    let mut accounts = plan.sources.iter().flat_map(|source| &source.accounts);
    accounts.all(|account| account.config.ends())
}

impl Launch {
    /// Runs the plans side by side until each has ended. The exit code is that of the worst.
    pub(crate) async fn all(&self, plans: Vec<Plan>) -> Exit {
        let mut running = JoinSet::new();
        for plan in plans {
            self.fleet.announce(&plan.name);
            running.spawn(self.clone().one(plan));
        }
        let mut worst = Exit::Done;
        while let Some(ended) = running.join_next().await {
            worst = worst.max(ended.unwrap_or_else(|error| {
                tracing::error!("a pipeline could not be run: {error}");
                Exit::Failed
            }));
        }
        worst
    }

    async fn one(self, plan: Plan) -> Exit {
        let name = plan.name.clone();
        let verdict = self.run(plan).await;
        verdict.log(&name);
        self.fleet.ended(&name, verdict.error());
        verdict.exit
    }

    async fn run(&self, plan: Plan) -> Verdict {
        let (dir, name) = (self.state_dir.clone(), plan.name.clone());
        let shared = Shared::default();
        shared.publish("", "", Arc::new(StateFolder(dir.join(&name))));
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&dir, &name)).await;
        let store = match opened {
            Ok(Ok(store)) => store,
            Ok(Err(error)) => return verdict::of_open_error(error),
            Err(error) => {
                return Verdict::bad(Exit::Failed, format!("opening the state was interrupted: {error}"));
            }
        };
        let plan = match &self.registry {
            Some(registry) => {
                let (once, drain, fleet) = (self.once, &self.drain, self.fleet.as_ref());
                match (accounts::Gathering { registry, once, drain, fleet }).accounts(plan).await {
                    Ok(plan) => plan,
                    Err(verdict) => return verdict,
                }
            }
            None => plan,
        };
        let once = self.once || ends(&plan);
        // A run that ends takes the accounts that there are.
        let registry = self.registry.as_ref().filter(|_| !once);
        let _watching = registry.map(|registry| accounts::watch(&plan, registry, &shared));
        let options = RunOptions { once, ..RunOptions::new(system()) };
        let surroundings = Surroundings {
            store: Arc::new(store),
            files: Arc::new(Folder::of(&plan.file)),
            metrics: Arc::clone(&self.fleet.metrics),
            shared,
            options,
            drain: self.drain.clone(),
        };
        let name = plan.name.clone();
        match sluicebox_engine::start(plan, surroundings).await {
            Ok(running) => {
                self.fleet.running(&name, running.watch());
                verdict::of_outcome(running.wait().await)
            }
            Err(failure) => verdict::of_failure(&failure),
        }
    }
}

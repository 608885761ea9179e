//! Starting pipelines and waiting for all of them, each with its own state and its own end.

use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_config::Plan;
use sluicebox_core::Registry;
use sluicebox_runtime::{OpenedState, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accounts;
use super::verdict::{self, Verdict};
use crate::exit::Exit;
use crate::fleet::Fleet;

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
        let name = plan.name.clone();
        let state = match OpenedState::open(self.state_dir.clone(), &name).await {
            Ok(state) => state,
            Err(error) => return verdict::of_start_error(error),
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
        let builder = Runtime::builder().pipeline_plan(plan).state(state);
        let builder = builder.metrics(Arc::clone(&self.fleet.metrics)).drain_on(&self.drain);
        let builder = if self.once { builder.once() } else { builder };
        let runtime = match builder.build() {
            Ok(runtime) => runtime,
            Err(error) => return Verdict::bad(Exit::Failed, error.to_string()),
        };
        // A run that ends takes the accounts that there are.
        let registry = self.registry.as_ref().filter(|_| !runtime.is_once());
        let _watching = registry.map(|registry| accounts::watch(runtime.plan(), registry, runtime.shared()));
        match runtime.start().await {
            Ok(mut running) => {
                self.fleet.running(&name, running.handle().watch());
                verdict::of_end(running.wait().await)
            }
            Err(error) => verdict::of_start_error(error),
        }
    }
}

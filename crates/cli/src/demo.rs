//! `demo`: a real pipeline from both APIs through filter, enrichment and rule into files and a warehouse, at once.
//!
//! Nothing is staged: the emulators are processes of their own, and the pipeline runs as `run --once` would run it.

mod emulators;
mod folder;
mod live;
mod queries;
mod report;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluicebox_config::Plan;
use sluicebox_core::Registry;
use tokio_util::sync::CancellationToken;

use crate::arguments::DemoArguments;
use crate::diagnostics::{self, Severity};
use crate::exit::{Ended, Exit, Stop};
use crate::fleet::Fleet;
use crate::logs::Logs;
use crate::outside::ProcessVariables;
use crate::run::Launch;
use crate::{pipeline_files, progress, signals, terminal};
use emulators::Emulators;

/// Runs the demo.
pub(crate) async fn verb(registry: Registry, arguments: DemoArguments, logs: Logs) -> Ended {
    let folder = folder::prepare(&arguments.dir)?;
    // Data of a pipeline is relative to the working directory: the demo works inside its folder.
    std::env::set_current_dir(&folder)
        .map_err(|error| Stop::failed(format!("cannot work in {}", folder.display()), &error))?;
    let drain = CancellationToken::new();
    signals::watch(drain.clone())?;
    terminal::print(&format!(
        "Two APIs are emulated on this machine, with {} events each; a pipeline polls both.\n",
        progress::grouped(arguments.events)
    ));
    let emulators = Emulators::start(arguments.events).await?;
    let demo = Demo { registry, emulators, arguments, drain, logs, state_dir: folder.join(".sluicebox") };
    let ended = demo.perform().await;
    demo.emulators.stop().await;
    ended
}

/// A demo under way.
struct Demo {
    registry: Registry,
    emulators: Emulators,
    arguments: DemoArguments,
    drain: CancellationToken,
    logs: Logs,
    state_dir: PathBuf,
}

impl Demo {
    async fn perform(&self) -> Ended {
        let clock = sluicebox_engine::system().clock;
        let begin = clock.elapsed();
        let fleet = Arc::new(Fleet::new());
        let exit = {
            let _progress = progress::start(Arc::clone(&fleet), &self.logs);
            self.launch(true, &fleet).all(vec![self.plan()?]).await
        };
        if exit != Exit::Done || self.drain.is_cancelled() {
            return Ok(exit);
        }
        let took = clock.elapsed().saturating_sub(begin);
        let complete = report::print(&fleet, &self.arguments, took)?;
        if !complete {
            return Err(Stop::new(Exit::Failed, "the counts do not add up"));
        }
        if self.arguments.keep {
            return self.keep().await;
        }
        Ok(Exit::Done)
    }

    fn launch(&self, once: bool, fleet: &Arc<Fleet>) -> Launch {
        let (state_dir, drain) = (self.state_dir.clone(), self.drain.clone());
        Launch { state_dir, once, drain, fleet: Arc::clone(fleet), registry: None }
    }

    fn plan(&self) -> Result<Plan, Stop> {
        let variables = ProcessVariables::with(self.emulators.variables());
        pipeline_files::load(Path::new(folder::PIPELINE), &self.registry, &variables, false).map_err(
            |report| {
                terminal::complain(&diagnostics::render(
                    &report.problems,
                    Severity::Error,
                    terminal::colour(),
                ));
                Stop::new(Exit::Configuration, "the demo's pipeline does not fit this build")
            },
        )
    }
}

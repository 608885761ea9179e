//! Accounts that stand elsewhere than in the pipeline file, looked at while it runs.
//!
//! Invariant: what is there is taken only if all of it is right; else everything stays as it is.

mod file;
mod gather;
mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_config::{AccountsPlace, LocatedProblem, Plan, SourcePlan};
use sluicebox_core::{Registry, Shared};
use sluicebox_engine::{AccountChange, AccountChanges, system};
use sluicebox_runtime::AccountReader;
use smol_str::SmolStr;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

pub(super) use gather::Gathering;

use crate::outside::ProcessVariables;
use crate::pipeline_files;

/// Looks at the accounts of a plan, until it is dropped. Sources hear of the changes by what is published here.
pub(crate) fn watch(plan: &Plan, registry: &Arc<Registry>, shared: &Shared) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    for source in &plan.sources {
        let Some(from) = &source.accounts_from else { continue };
        let (changes, heard) = AccountChanges::channel();
        shared.publish(&source.name, "", heard);
        let crowd = Crowd {
            pipeline: plan.name.clone(),
            file: plan.file.clone(),
            source: source.name.clone(),
            registry: Arc::clone(registry),
            known: accounts(source),
            changes,
        };
        match &from.place {
            AccountsPlace::File(path) => watching.spawn(file::watch(crowd, path.clone())),
            AccountsPlace::Rows(rows) => {
                watching.spawn(rows::watch(crowd, AccountReader::new(plan, &source.name, rows, &system())))
            }
        };
    }
    watching
}

/// The accounts with what tells whether one has changed.
fn accounts(source: &SourcePlan) -> BTreeMap<SmolStr, u64> {
    let ids = source.accounts.iter().map(|account| account.id.clone());
    let fingerprints = source.accounts_from.iter().flat_map(|from| from.fingerprints.iter().copied());
    ids.zip(fingerprints).collect()
}

/// The accounts of one source.
struct Crowd {
    pipeline: SmolStr,
    /// The pipeline file.
    file: PathBuf,
    source: SmolStr,
    registry: Arc<Registry>,
    known: BTreeMap<SmolStr, u64>,
    changes: UnboundedSender<AccountChange>,
}

impl Crowd {
    /// Reads the pipeline with its accounts again, and tells what is different. `place` is what messages call them.
    ///
    /// # Errors
    /// What is wrong with them: everything stays as it is.
    fn take(&mut self, variables: &ProcessVariables, place: &str) -> Result<(), Vec<LocatedProblem>> {
        let loaded = pipeline_files::load(&self.file, &self.registry, variables, false);
        let plan = loaded.map_err(|report| report.problems)?;
        let (pipeline, component) = (self.pipeline.as_str(), self.source.as_str());
        let source = plan.sources.into_iter().find(|source| source.name == self.source);
        let Some(source) =
            source.filter(|source| source.accounts_from.as_ref().is_some_and(|from| from.is_read))
        else {
            tracing::warn!(
                pipeline,
                component,
                help = "start the pipeline again",
                "the accounts stay as they are: the pipeline file does not take them from there any more"
            );
            return Ok(());
        };
        let new = accounts(&source);
        let gone: Vec<SmolStr> = self.known.keys().filter(|id| !new.contains_key(*id)).cloned().collect();
        let different = |id: &SmolStr| self.known.get(id) != new.get(id);
        let come: Vec<_> = source.accounts.into_iter().filter(|account| different(&account.id)).collect();
        if come.is_empty() && gone.is_empty() {
            return Ok(());
        }
        tracing::info!(
            pipeline,
            component,
            "{place} has changed: new or different accounts: {}, gone: {}",
            come.len(),
            gone.len()
        );
        let changes =
            come.into_iter().map(AccountChange::Come).chain(gone.into_iter().map(AccountChange::Go));
        for change in changes {
            // Nobody hears it when the pipeline ends.
            let _heard = self.changes.send(change);
        }
        self.known = new;
        Ok(())
    }

    /// Says why nothing was taken.
    fn complain(&self, problem: &LocatedProblem) {
        let (pipeline, component) = (self.pipeline.as_str(), self.source.as_str());
        let help = problem.help.as_deref();
        tracing::error!(pipeline, component, help, "the accounts stay as they are: {}", problem.message);
    }
}

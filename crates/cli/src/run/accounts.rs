//! Files of accounts, looked at while their pipeline runs.
//!
//! Invariant: a file is taken only if all of it is right and it has stopped changing; else everything stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluicebox_config::{Plan, SourcePlan};
use sluicebox_core::{Registry, Shared};
use sluicebox_engine::{AccountChange, AccountChanges};
use smol_str::SmolStr;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::outside::ProcessVariables;
use crate::pipeline_files;

/// Time between two looks at a file.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the files of accounts of a plan, until it is dropped. Sources hear of the changes by what is published here.
pub(crate) fn watch(plan: &Plan, registry: &Arc<Registry>, shared: &Shared) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    for source in &plan.sources {
        let Some(file) = &source.accounts_file else { continue };
        let (changes, heard) = AccountChanges::channel();
        shared.publish(&source.name, "", heard);
        let watched = Watched {
            pipeline: plan.file.clone(),
            source: source.name.clone(),
            path: file.path.clone(),
            registry: Arc::clone(registry),
            known: accounts(source),
            changes,
        };
        watching.spawn(watched.run());
    }
    watching
}

/// The accounts with what tells whether one has changed.
fn accounts(source: &SourcePlan) -> BTreeMap<SmolStr, u64> {
    let ids = source.accounts.iter().map(|account| account.id.clone());
    let fingerprints = source.accounts_file.iter().flat_map(|file| file.fingerprints.iter().copied());
    ids.zip(fingerprints).collect()
}

/// The file of one source.
struct Watched {
    /// The pipeline file.
    pipeline: PathBuf,
    source: SmolStr,
    path: PathBuf,
    registry: Arc<Registry>,
    known: BTreeMap<SmolStr, u64>,
    changes: UnboundedSender<AccountChange>,
}

impl Watched {
    async fn run(mut self) {
        let mut settled = read(&self.path).await;
        let mut last = settled.clone();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let text = read(&self.path).await;
            // Whoever writes it may not be done: what is taken was the same twice.
            if text == last && text != settled {
                settled.clone_from(&text);
                self.take();
            }
            last = text;
        }
    }

    /// Reads the pipeline with its accounts again, and tells what is different.
    fn take(&mut self) {
        let (component, file) = (self.source.as_str(), self.path.display());
        let plan =
            match pipeline_files::load(&self.pipeline, &self.registry, &ProcessVariables::default(), false) {
                Ok(plan) => plan,
                Err(report) => {
                    for problem in &report.problems {
                        tracing::error!(component, "the accounts stay as they are: {}", problem.message);
                    }
                    return;
                }
            };
        let Some(source) = plan.sources.into_iter().find(|source| source.name == self.source) else { return };
        let new = accounts(&source);
        let gone: Vec<SmolStr> = self.known.keys().filter(|id| !new.contains_key(*id)).cloned().collect();
        let different = |id: &SmolStr| self.known.get(id) != new.get(id);
        let come: Vec<_> = source.accounts.into_iter().filter(|account| different(&account.id)).collect();
        tracing::info!(
            component,
            "{file} has changed: {} accounts are new or different, {} are gone",
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
    }
}

/// The text of a file; none while it is not there.
async fn read(path: &Path) -> Option<Vec<u8>> {
    tokio::fs::read(path).await.ok()
}

//! The pipelines of this process and how each is doing, for the admin server and for progress.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use sluicebox_engine::{Metrics, PipelineStatus, Watch};

/// Every pipeline that this process was asked to run.
pub(crate) struct Fleet {
    pub(crate) metrics: Arc<Metrics>,
    members: Mutex<Vec<Member>>,
}

struct Member {
    name: String,
    /// What it waits for before it can start.
    waits_for: Option<String>,
    /// Once it runs.
    watch: Option<Watch>,
    ended: Option<Ending>,
}

#[derive(Clone)]
enum Ending {
    Well,
    Badly(String),
}

/// One pipeline as `/api/v1/pipelines` shows it.
#[derive(Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) status: PipelineStatus,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// What it waits for before it can start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for: Option<String>,
}

/// Something that keeps the process from being ready.
#[derive(Debug, Serialize)]
pub(crate) struct Obstacle {
    pub(crate) pipeline: String,
    /// Empty: the pipeline as a whole.
    pub(crate) component: String,
    pub(crate) account: String,
    /// A stable word.
    pub(crate) reason: String,
    /// A sentence.
    pub(crate) message: String,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self { metrics: Arc::new(Metrics::new()), members: Mutex::default() }
    }

    /// A pipeline that is about to start.
    pub(crate) fn announce(&self, name: &str) {
        self.members.lock().push(Member { name: name.to_owned(), waits_for: None, watch: None, ended: None });
    }

    /// It cannot start before something has happened: a clause.
    pub(crate) fn waits(&self, name: &str, for_what: String) {
        self.change(name, |member| member.waits_for = Some(for_what));
    }

    /// It runs.
    pub(crate) fn running(&self, name: &str, watch: Watch) {
        self.change(name, |member| member.watch = Some(watch));
    }

    /// It has ended; `error` says why if that was not meant.
    pub(crate) fn ended(&self, name: &str, error: Option<String>) {
        self.change(name, |member| member.ended = Some(error.map_or(Ending::Well, Ending::Badly)));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.lock().iter_mut().find(|member| member.name == name) {
            change(member);
        }
    }

    /// What every pipeline looks like now.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.members.lock().iter().map(Member::shown).collect()
    }

    /// A pipeline that runs.
    pub(crate) fn watch(&self, name: &str) -> Option<Watch> {
        let members = self.members.lock();
        members.iter().find(|member| member.name == name && member.ended.is_none())?.watch.clone()
    }

    /// All metrics in the text exposition format.
    pub(crate) fn render_metrics(&self) -> String {
        let watches: Vec<Watch> = self.members.lock().iter().filter_map(|it| it.watch.clone()).collect();
        watches.iter().for_each(Watch::refresh_metrics);
        self.metrics.render()
    }

    /// What keeps the process from being ready; empty: it is.
    pub(crate) fn obstacles(&self) -> Vec<Obstacle> {
        self.shown().iter().flat_map(obstacles).collect()
    }
}

impl Member {
    fn shown(&self) -> Shown {
        let nothing = || PipelineStatus {
            name: self.name.clone(),
            state: "starting",
            components: vec![],
            partitions: vec![],
        };
        let mut status = self.watch.as_ref().map_or_else(nothing, Watch::status);
        let error = match &self.ended {
            None => None,
            Some(Ending::Well) => {
                status.state = "finished";
                None
            }
            Some(Ending::Badly(error)) => {
                status.state = "failed";
                Some(error.clone())
            }
        };
        let waits_for = self.waits_for.clone().filter(|_| self.watch.is_none() && self.ended.is_none());
        Shown { status, error, waits_for }
    }
}

fn obstacles(shown: &Shown) -> Vec<Obstacle> {
    let status = &shown.status;
    let obstacle = |component: &str, account: &str, reason: &str, message: &str| Obstacle {
        pipeline: status.name.clone(),
        component: component.to_owned(),
        account: account.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    match (status.state, &shown.error) {
        ("starting", _) => {
            let message = shown.waits_for.as_deref().unwrap_or("the pipeline is starting");
            return vec![obstacle("", "", "starting", message)];
        }
        ("finished", _) => return Vec::new(),
        ("failed", error) => return vec![obstacle("", "", "failed", error.as_deref().unwrap_or_default())],
        _ => {}
    }
    let components = status.components.iter().filter_map(|component| {
        let pause = component.paused.as_ref()?;
        Some(obstacle(&component.name, "", pause.reason, &pause.message))
    });
    let partitions = status.partitions.iter().filter_map(|partition| {
        let pause = partition.paused.as_ref()?;
        Some(obstacle(&partition.source, &partition.account, pause.reason, &pause.message))
    });
    components.chain(partitions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_an_obstacle_until_it_runs_and_when_it_has_failed() {
        let fleet = Fleet::new();
        fleet.announce("p");
        assert_eq!(fleet.obstacles()[0].reason, "starting");
        fleet.waits("p", "the accounts: no database".to_owned());
        assert_eq!(fleet.obstacles()[0].message, "the accounts: no database");
        fleet.ended("p", Some("no disk".to_owned()));
        assert_eq!(fleet.obstacles()[0].message, "no disk");
        assert_eq!(fleet.shown()[0].status.state, "failed");
        fleet.ended("p", None);
        assert!(fleet.obstacles().is_empty());
    }
}

//! A running pipeline: supervises its tasks and drains them.
//!
//! A drain is a cascade of closing channels: pollers stop, workers run dry, sinks write what they hold, the
//! checkpointer commits the rest. A panic or failure in any task stops this pipeline and no other.

use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{CacheTally, ComponentKind, Environment, InboxFill, Shared};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::checkpointer::Checkpointer;
use crate::member::SharedMember;
use crate::metrics::Metrics;
use crate::partition::{Partition, Pause};
use crate::partitions::Partitions;
use crate::start::{Surroundings, Tasks};
use crate::status::{ComponentStatus, Failure, Outcome, PartitionStatus, PauseStatus, PipelineStatus};
use crate::supervised::Supervised;
use crate::trace::{Subject, Trace, Tracer};

/// A pipeline that runs.
pub struct Running {
    watch: Watch,
    checkpointer: Checkpointer,
    tasks: Tasks,
    commits: Tasks,
    /// What components left to us; it ends with the pipeline, or ends the pipeline by failing.
    background: Tasks,
    around: Surroundings,
}

/// A cloneable view of a running pipeline.
#[derive(Clone)]
pub struct Watch {
    pipeline: Arc<str>,
    members: Vec<SharedMember>,
    partitions: Arc<Partitions>,
    tracer: Tracer,
    drain: CancellationToken,
    environment: Environment,
    metrics: Arc<Metrics>,
    shared: Shared,
}

impl Running {
    pub(crate) fn new(
        pipeline: Arc<str>,
        (members, partitions, tracer): (Vec<SharedMember>, Arc<Partitions>, Tracer),
        checkpointer: Checkpointer,
        (tasks, commits, background): (Tasks, Tasks, Tasks),
        around: Surroundings,
    ) -> Self {
        let environment = around.options.environment.clone();
        let watch = Watch {
            pipeline,
            members,
            partitions,
            tracer,
            drain: around.drain.clone(),
            environment,
            metrics: Arc::clone(&around.metrics),
            shared: around.shared.clone(),
        };
        Self { watch, checkpointer, tasks, commits, background, around }
    }

    /// A view for the admin server and for progress.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Waits in a task of its own, for hosts that do other things meanwhile.
    pub fn supervised(self) -> Supervised {
        Supervised::new(self)
    }

    /// Waits until the pipeline ends: by itself (`--once`, sources that end), drained, or broken.
    ///
    /// Nothing of it runs any more when this returns.
    pub async fn wait(mut self) -> Outcome {
        let ended = {
            let limit = self.watch.drain_limit(self.around.options.drain_limit);
            let work = async {
                // A state that cannot be written any more ends the run: nothing would ever be acknowledged.
                tokio::select! {
                    settled = supervise(&mut self.tasks, &self.around.drain) => settled?,
                    broken = supervise(&mut self.commits, &self.around.drain) => broken?,
                    broken = first_failure(&mut self.background) => return Err(broken),
                }
                // Everything is settled: the last positions are committed.
                self.checkpointer.close();
                supervise(&mut self.commits, &self.around.drain).await?;
                self.watch.partitions.confirm_the_rest().await;
                Ok(())
            };
            tokio::select! {
                ended = work => Some(ended),
                () = limit => None,
            }
        };
        self.background.shutdown().await;
        self.tasks.shutdown().await;
        self.commits.shutdown().await;
        self.watch.partitions.shut_down().await;
        self.watch.tracer.close();
        self.outcome(ended)
    }

    fn outcome(&self, ended: Option<Result<(), Failure>>) -> Outcome {
        let draining = self.around.drain.is_cancelled();
        match ended {
            None => Outcome::DrainTimeout,
            Some(Err(Failure::Stopped)) if draining => Outcome::Drained,
            Some(Err(failure)) => Outcome::Failed(failure),
            Some(Ok(())) if draining => {
                tracing::info!(pipeline = %self.watch.pipeline, event = "drained", "drained: everything is saved");
                Outcome::Drained
            }
            Some(Ok(())) => {
                let paused = self.watch.paused();
                if paused.is_empty() { Outcome::Finished } else { Outcome::Paused(paused) }
            }
        }
    }
}

/// Waits for every task; the first failure or panic ends the wait. A sink that was paused lets the others drain.
async fn supervise(tasks: &mut Tasks, drain: &CancellationToken) -> Result<(), Failure> {
    while let Some(joined) = tasks.join_next().await {
        match settled(joined) {
            Err(Failure::Paused { .. }) if drain.is_cancelled() => {}
            ended => ended?,
        }
    }
    Ok(())
}

/// Waits for a task that fails; those that end well, or none at all, are no news.
async fn first_failure(tasks: &mut Tasks) -> Failure {
    while let Some(joined) = tasks.join_next().await {
        if let Err(failure) = settled(joined) {
            return failure;
        }
    }
    std::future::pending().await
}

/// How a task ended; a panic is a failure of its pipeline.
pub(crate) fn settled(joined: Result<Result<(), Failure>, JoinError>) -> Result<(), Failure> {
    joined.unwrap_or_else(|error| Err(panicked(error)))
}

pub(crate) fn panicked(error: JoinError) -> Failure {
    let Ok(payload) = error.try_into_panic() else { return Failure::Stopped };
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Failure::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
}

impl Watch {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.pipeline
    }

    /// What it looks like now.
    pub fn status(&self) -> PipelineStatus {
        let components: Vec<_> = self.members.iter().map(component).collect();
        let partitions = self.partitions.all();
        // The partition that replays dead letters is told of only once it has.
        let told = partitions.iter().filter(|it| it.source != crate::replay::SOURCE || it.safe().0.seq > 0);
        let partitions: Vec<_> = told.map(partition).collect();
        let paused = components.iter().any(|it| it.paused.is_some())
            || partitions.iter().any(|it| it.paused.is_some());
        let state = match (self.drain.is_cancelled(), paused) {
            (true, _) => "draining",
            (false, true) => "paused",
            (false, false) => "running",
        };
        PipelineStatus { name: self.pipeline.to_string(), state, components, partitions }
    }

    /// Follows events from now on, until the trace is dropped or the pipeline ends; an event is never held up.
    pub fn trace(&self, subject: Subject) -> Trace {
        self.tracer.read(subject)
    }

    /// Every source and partition that is paused, with its reason.
    fn paused(&self) -> Vec<String> {
        let sources = self.members.iter().filter(|member| member.kind == ComponentKind::Source);
        let sources = sources.filter_map(|member| {
            let pause = member.paused.lock();
            pause.as_ref().map(|pause| format!("{}: {}", member.name, pause.message))
        });
        let partitions = self.partitions.all();
        let partitions = partitions.iter().filter_map(|partition| {
            let pause = partition.paused()?;
            Some(format!("{}/{}: {}", partition.source, partition.account, pause.message))
        });
        sources.chain(partitions).collect()
    }

    /// Brings the gauges that age up to date; called before metrics are read.
    pub fn refresh_metrics(&self) {
        for partition in self.partitions.all() {
            partition.metrics.refresh(&partition, self.environment.clock.as_ref());
            if let Some(fill) = self.shared.find::<InboxFill>(&partition.source, &partition.account) {
                partition.metrics.inbox(&fill);
            }
        }
        for member in &self.members {
            let Some(tally) = self.shared.find::<CacheTally>(&member.name, "") else { continue };
            self.metrics.lookup_cache(&member.labels(&self.pipeline), &tally);
        }
    }

    /// Waits until the drain has begun and has taken as long as it may.
    fn drain_limit(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let (drain, clock, pipeline) =
            (self.drain.clone(), Arc::clone(&self.environment.clock), Arc::clone(&self.pipeline));
        async move {
            drain.cancelled().await;
            tracing::info!(%pipeline, "draining: no more polls, everything in flight is written");
            clock.sleep(limit).await;
        }
    }
}

fn component(member: &SharedMember) -> ComponentStatus {
    let metrics = &member.metrics;
    ComponentStatus {
        name: member.name.to_string(),
        kind: member.kind.as_str(),
        component_type: member.component_type,
        received: metrics.received.get(),
        sent: metrics.sent.get(),
        discarded: metrics.discarded_total(),
        dead_letters: metrics.dead_letters_total(),
        errors: metrics.errors_total(),
        paused: member.paused.lock().as_ref().map(pause),
    }
}

fn partition(partition: &Arc<Partition>) -> PartitionStatus {
    let (safe, newest_event) = partition.safe();
    let flight = partition.in_flight();
    PartitionStatus {
        source: partition.source.to_string(),
        account: partition.account.to_string(),
        cursor: safe.cursor.map(|cursor| cursor.to_text()),
        safe_seq: safe.seq,
        committed_at: partition.committed_at(),
        newest_event,
        inflight_events: flight.events,
        inflight_bytes: flight.bytes,
        paused: partition.paused().as_ref().map(pause),
    }
}

fn pause(pause: &Pause) -> PauseStatus {
    PauseStatus { reason: pause.reason, message: pause.message.clone() }
}

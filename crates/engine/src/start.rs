//! Starting a pipeline: build, take ownership, choose positions, spawn the tasks.

use std::collections::HashMap;
use std::sync::Arc;

use sluicebox_config::Plan;
use sluicebox_core::{CheckpointStore, Commit, Cursor, PartitionRecord, Position, ScriptFiles, Shared};
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::activity::Activity;
use crate::build::{Builder, Built, BuiltSource, BuiltTransform};
use crate::checkpointer::{Checkpointer, CommitTask};
use crate::edge::{self, EdgeReceiver, EdgeSender};
use crate::member::SharedMember;
use crate::metrics::{Labels, Metrics};
use crate::open::{self, OpenedSink, Writer};
use crate::options::RunOptions;
use crate::partition::{Budget, Partition, Start};
use crate::poller::Poller;
use crate::running::Running;
use crate::sinks::{Ahead, Desk, Inbox, PlainTask, TransactionalTask};
use crate::status::Failure;
use crate::topology::{self, GraphSink, Route};

/// Pages waiting between a poller and its worker: enough to poll on while a sink flushes. The caps count them.
const PAGES_AHEAD: usize = 16;

/// What a pipeline runs with, beside its plan.
#[derive(Clone)]
pub struct Surroundings {
    /// Where checkpoints lie.
    pub store: Arc<dyn CheckpointStore>,
    /// Reads scripts.
    pub files: Arc<dyn ScriptFiles>,
    /// Every metric of the process.
    pub metrics: Arc<Metrics>,
    /// Values that components share; a test puts its transport here.
    pub shared: Shared,
    /// Settings of the run.
    pub options: RunOptions,
    /// Cancelled to begin the drain.
    pub drain: CancellationToken,
}

/// The tasks of a pipeline: each ends by itself once everything above it has ended.
pub(crate) type Tasks = JoinSet<Result<(), Failure>>;

/// Builds, opens and starts a pipeline.
///
/// # Errors
/// A component cannot be built, the state or a destination cannot be used, or the drain began first.
pub async fn start(plan: Plan, surroundings: Surroundings) -> Result<Running, Failure> {
    let starter = Starter {
        pipeline: plan.name.as_str().into(),
        checkpointer: Checkpointer::default(),
        around: surroundings,
    };
    let ready = starter.take_ownership(plan).await?;
    Ok(starter.launch(ready))
}

struct Starter {
    pipeline: Arc<str>,
    checkpointer: Checkpointer,
    around: Surroundings,
}

/// Everything built and opened; nothing runs yet.
struct Ready {
    sources: Vec<BuiltSource>,
    transforms: Vec<BuiltTransform>,
    sinks: Vec<OpenedSink>,
    /// Where each partition starts, in the order of sources and accounts.
    starts: Vec<PartitionRecord>,
    /// What each sink holds of each partition, by sink index.
    held: Vec<HashMap<usize, Position>>,
    epoch: u64,
}

impl Starter {
    async fn take_ownership(&self, plan: Plan) -> Result<Ready, Failure> {
        let around = &self.around;
        let state = around.store.load().await.map_err(|error| Failure::State(error.chain()))?;
        let builder = Builder {
            pipeline: Arc::clone(&self.pipeline),
            folder: plan.folder.clone(),
            files: Arc::clone(&around.files),
            metrics: Arc::clone(&around.metrics),
            checkpointer: self.checkpointer.clone(),
            options: around.options.clone(),
            shared: around.shared.clone(),
        };
        let Built { sources, transforms, sinks } = builder.build(plan).await?;
        let watching = (&around.options, &around.drain);
        let mut sinks =
            open::sinks(&self.pipeline, sinks, &state, (&self.checkpointer, &around.store), watching).await?;
        let epoch = open::epoch(&state, &sinks);
        self.take_epoch(epoch).await?;
        let names = sources.iter().flat_map(|source| {
            source.accounts.iter().map(|(account, _)| (source.member.name.clone(), account.clone()))
        });
        let mut starts = Vec::new();
        let mut held = Vec::new();
        for name in names {
            let start = open::position(&name, &state, &sinks);
            held.push(open::positions(&name, start.floor_epoch, &sinks));
            starts.push(start);
        }
        for (index, sink) in sinks.iter_mut().enumerate() {
            let written = open::write_missing_positions(sink, index, &starts, &held).await?;
            if !written.is_empty() {
                self.checkpointer.remember_sink(&sink.member.name, written);
            }
        }
        Ok(Ready { sources, transforms, sinks, starts, held, epoch })
    }

    /// Makes an epoch durable before anything is written under it.
    async fn take_epoch(&self, epoch: u64) -> Result<(), Failure> {
        let commit = Commit { epoch: Some(epoch), ..Commit::default() };
        self.around.store.commit(commit).await.map_err(|error| Failure::State(error.chain()))
    }

    fn launch(self, ready: Ready) -> Running {
        let Ready { sources, transforms, sinks, starts, held, epoch } = ready;
        let partitions = Arc::new(self.partitions(&sources, starts));
        let mut members: Vec<SharedMember> =
            sources.iter().map(|source| Arc::clone(&source.member)).collect();
        members.extend(transforms.iter().map(|transform| Arc::clone(&transform.member)));
        members.extend(sinks.iter().map(|sink| Arc::clone(&sink.member)));

        let mut commits = Tasks::new();
        let commit_task = CommitTask {
            handle: self.checkpointer.clone(),
            store: Arc::clone(&self.around.store),
            partitions: Arc::clone(&partitions),
            epoch,
            environment: self.around.options.environment.clone(),
            pipeline: Arc::clone(&self.pipeline),
        };
        commits.spawn(commit_task.run().instrument(self.span("", "")));

        let mut tasks = Tasks::new();
        let (edges, receivers): (Vec<_>, Vec<_>) = sinks.iter().map(|sink| self.edge(sink)).unzip();
        let activities: Vec<Arc<Activity>> = sinks.iter().map(|_| Arc::default()).collect();
        let routes = self.routes(&sources, &transforms, &sinks, &edges);
        drop(edges);
        for (index, (sink, receiver)) in sinks.into_iter().zip(receivers).enumerate() {
            let inbox = Inbox::new(
                receiver,
                Arc::clone(&activities[index]),
                sink.plan.batch.clone(),
                Arc::clone(&self.around.options.environment.clock),
            );
            let ahead = held.iter().enumerate().filter_map(|(partition, sinks)| {
                let position = sinks.get(&index)?;
                Some((partition, Ahead::restored(position.ahead.iter().cloned())))
            });
            self.spawn_sink(sink, inbox, ahead.collect(), &mut tasks);
        }
        let mut unused = partitions.iter();
        for (source, route) in sources.into_iter().zip(routes) {
            let own: Vec<_> = unused.by_ref().take(source.accounts.len()).cloned().collect();
            let below = route.sinks.iter().map(|sink| Arc::clone(&activities[*sink])).collect();
            self.spawn_source(source, &route, (own, below), &mut tasks);
        }
        tracing::info!(pipeline = %self.pipeline, event = "started", "pipeline started");
        Running::new(self.pipeline, (members, partitions), self.checkpointer, (tasks, commits), self.around)
    }

    /// Who speaks in a task's log lines, whatever library the line comes from. Empty names are left out.
    fn span(&self, component: &str, account: &str) -> tracing::Span {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        tracing::error_span!(
            "task",
            pipeline = &*self.pipeline,
            component = named(component),
            account = named(account)
        )
    }

    fn partitions(&self, sources: &[BuiltSource], starts: Vec<PartitionRecord>) -> Vec<Arc<Partition>> {
        let budget = Arc::new(Budget::default());
        let options = &self.around.options;
        let listed = sources.iter().flat_map(|source| source.accounts.iter().map(move |_| source));
        let mut partitions = Vec::with_capacity(starts.len());
        for ((index, start), source) in starts.into_iter().enumerate().zip(listed) {
            let labels = Labels {
                pipeline: &self.pipeline,
                component: &source.member.name,
                kind: source.member.kind.as_str(),
                component_type: source.member.component_type,
                account: if source.accounts_listed { &start.partition } else { "" },
            };
            let metrics = self.around.metrics.partition(&labels);
            let committed_at = (start.safe_seq > 0).then_some(start.committed_at);
            partitions.push(Arc::new(Partition::new(
                (index, start.source, start.partition),
                Start {
                    safe_seq: start.safe_seq,
                    cursor: start.cursor.map(Cursor::new),
                    newest: start.newest_event,
                    floor_epoch: start.floor_epoch,
                    confirms: source.confirms,
                    committed_at,
                    metrics,
                },
                options.caps,
                (Arc::clone(&budget), Arc::clone(&options.environment.clock)),
                self.checkpointer.clone(),
            )));
        }
        partitions
    }

    fn edge(&self, sink: &OpenedSink) -> (EdgeSender, EdgeReceiver) {
        let from: Vec<SmolStr> = sink
            .plan
            .inputs
            .iter()
            .map(|input| match &input.output {
                None => input.component.clone(),
                Some(output) => SmolStr::from(format!("{}.{output}", input.component)),
            })
            .collect();
        let metrics = self.around.metrics.edge(&self.pipeline, &from.join(","), &sink.member.name);
        edge::edge(&sink.plan.buffer, metrics, Arc::clone(&self.around.options.environment.clock))
    }

    fn routes(
        &self,
        sources: &[BuiltSource],
        transforms: &[BuiltTransform],
        sinks: &[OpenedSink],
        edges: &[EdgeSender],
    ) -> Vec<Route> {
        let graph: Vec<GraphSink<'_>> = sinks
            .iter()
            .zip(edges)
            .map(|(sink, edge)| GraphSink { member: &sink.member, inputs: &sink.plan.inputs, edge })
            .collect();
        let environment = &self.around.options.environment;
        sources.iter().map(|source| topology::route(source, transforms, &graph, environment)).collect()
    }

    fn spawn_sink(&self, sink: OpenedSink, inbox: Inbox, ahead: HashMap<usize, Ahead>, tasks: &mut Tasks) {
        let desk = Desk {
            pipeline: Arc::clone(&self.pipeline),
            member: sink.member,
            retry: sink.plan.retry,
            environment: self.around.options.environment.clone(),
            drain: self.around.drain.clone(),
            once: self.around.options.once,
        };
        let span = self.span(&desk.member.name, "");
        match sink.writer {
            Writer::Plain(sink) => tasks.spawn(PlainTask { desk, inbox, sink }.run().instrument(span)),
            Writer::Transactional { sink, opened, own_positions } => {
                let epoch = opened.epoch;
                let task = TransactionalTask { desk, inbox, sink, epoch, ahead, remembered: own_positions };
                tasks.spawn(task.run().instrument(span))
            }
        };
    }

    fn spawn_source(
        &self,
        source: BuiltSource,
        route: &Route,
        (partitions, below): (Vec<Arc<Partition>>, Vec<Arc<Activity>>),
        tasks: &mut Tasks,
    ) {
        for ((_, reader), partition) in source.accounts.into_iter().zip(partitions) {
            let (pages, arrivals) = mpsc::channel(PAGES_AHEAD);
            let span = self.span(&partition.source, &partition.account);
            tasks.spawn(route.flow.clone().run(arrivals).instrument(span.clone()));
            let poller = Poller {
                pipeline: Arc::clone(&self.pipeline),
                partition,
                member: Arc::clone(&source.member),
                source: reader,
                pages,
                sinks: below.clone(),
                drain: self.around.drain.clone(),
                options: self.around.options.clone(),
                failing: false,
                caught_up: false,
            };
            let polling = async move {
                poller.run().await;
                Ok(())
            };
            tasks.spawn(polling.instrument(span));
        }
    }
}

//! Starting a pipeline: build, take ownership, choose positions, spawn the tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluicebox_config::Plan;
use sluicebox_core::{Background, CheckpointStore, Commit, ComponentKind, ScriptFiles, Shared};
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::activity::Activity;
use crate::build::{Builder, Built, BuiltSource, BuiltTransform};
use crate::checkpointer::{Checkpointer, CommitTask};
use crate::discovery::Launcher;
use crate::edge::{self, EdgeReceiver, EdgeSender};
use crate::flow::Flow;
use crate::letters::{Carrier, Postbox, Posts, postbox};
use crate::member::{Letters, Member, SharedMember};
use crate::metrics::{Labels, Metrics};
use crate::open::{self, OpenedSink, Writer};
use crate::options::RunOptions;
use crate::origins::Origins;
use crate::partitions::{Newcomer, Partitions};
use crate::poller::Poller;
use crate::replay::{self, ReplayFlow};
use crate::running::{Running, settled};
use crate::sinks::{Desk, Inbox, PlainTask, TransactionalTask};
use crate::status::Failure;
use crate::topology::{self, GraphSink, Route};
use crate::trace::Tracer;

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
        tracer: Tracer::new(Arc::clone(&surroundings.options.environment.clock)),
        around: surroundings,
    };
    let ready = starter.take_ownership(plan).await?;
    Ok(starter.launch(ready))
}

struct Starter {
    pipeline: Arc<str>,
    checkpointer: Checkpointer,
    tracer: Tracer,
    around: Surroundings,
}

/// Everything built and opened; nothing runs yet.
struct Ready {
    sources: Vec<BuiltSource>,
    transforms: Vec<BuiltTransform>,
    sinks: Vec<OpenedSink>,
    origins: Origins,
    epoch: u64,
    postboxes: BTreeMap<SmolStr, Postbox>,
    /// The other ends, in the order of the sinks.
    posts: Vec<Posts>,
}

impl Starter {
    async fn take_ownership(&self, plan: Plan) -> Result<Ready, Failure> {
        let around = &self.around;
        let state = around.store.load().await.map_err(|error| Failure::State(error.chain()))?;
        let postboxes: Vec<_> = plan.sinks.iter().map(|sink| (sink.name.clone(), postbox())).collect();
        let builder = Builder {
            postboxes: postboxes.iter().map(|(name, (postbox, _))| (name.clone(), postbox.clone())).collect(),
            pipeline: Arc::clone(&self.pipeline),
            folder: plan.folder.clone(),
            files: Arc::clone(&around.files),
            metrics: Arc::clone(&around.metrics),
            checkpointer: self.checkpointer.clone(),
            options: around.options.clone(),
            shared: around.shared.clone(),
            tracer: self.tracer.clone(),
        };
        let Built { sources, transforms, sinks } = builder.build(plan).await?;
        let watching = (&around.options, &around.drain);
        let mut sinks =
            open::sinks(&self.pipeline, sinks, &state, (&self.checkpointer, &around.store), watching).await?;
        let epoch = open::epoch(&state, &sinks);
        self.take_epoch(epoch).await?;
        let held = sinks.iter().map(|sink| match &sink.writer {
            Writer::Transactional { opened, .. } => opened.positions.clone(),
            Writer::Plain(_) => Vec::new(),
        });
        let names = sinks.iter().map(|sink| sink.member.name.clone()).collect();
        let origins = Origins { held: held.collect(), sinks: names, state };
        let mut names: Vec<_> = sources.iter().flat_map(|source| source.partition_names(&origins)).collect();
        if transforms.iter().any(|built| built.transform.stateful().is_some()) {
            let store = (around.store.as_ref(), around.options.environment.clock.now());
            open::refuse_lost_memory(&self.pipeline, origins.without_memory(&names), store).await?;
        }
        names.push(replay::partition_name());
        for (index, sink) in sinks.iter_mut().enumerate() {
            let written = open::write_missing_positions(sink, index, &origins, &names).await?;
            if !written.is_empty() {
                self.checkpointer.remember_sink(&sink.member.name, written);
            }
        }
        let posts = postboxes.into_iter().map(|(_, (_, posts))| posts).collect();
        Ok(Ready { sources, transforms, sinks, origins, epoch, posts, postboxes: builder.postboxes })
    }

    /// Makes an epoch durable before anything is written under it.
    async fn take_epoch(&self, epoch: u64) -> Result<(), Failure> {
        let commit = Commit { epoch: Some(epoch), ..Commit::default() };
        self.around.store.commit(commit).await.map_err(|error| Failure::State(error.chain()))
    }

    fn launch(self, ready: Ready) -> Running {
        let Ready { sources, transforms, sinks, origins, epoch, postboxes, posts } = ready;
        let partitions = Arc::new(Partitions::new(
            Arc::clone(&self.pipeline),
            origins,
            (Arc::clone(&self.around.metrics), self.around.options.clone()),
            self.checkpointer.clone(),
        ));
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
        commits.spawn(commit_task.run().instrument(span(&self.pipeline, "", "")));

        let mut tasks = Tasks::new();
        let (edges, receivers): (Vec<_>, Vec<_>) = sinks.iter().map(|sink| self.edge(sink)).unzip();
        let activities: Vec<Arc<Activity>> = sinks.iter().map(|_| Arc::default()).collect();
        // Only postboxes that somebody writes to keep their sinks waiting.
        let routes = self.routes(&sources, &transforms, (&sinks, &edges), &postboxes);
        for (edge, posts) in edges.into_iter().zip(posts) {
            let (pipeline, partitions) = (Arc::clone(&self.pipeline), Arc::clone(&partitions));
            let clock = Arc::clone(&self.around.options.environment.clock);
            tasks.spawn(Carrier { pipeline, posts, edge, partitions, clock }.run());
        }
        for (index, (sink, receiver)) in sinks.into_iter().zip(receivers).enumerate() {
            let inbox = Inbox::new(
                receiver,
                Arc::clone(&activities[index]),
                sink.plan.batch.clone(),
                Arc::clone(&self.around.options.environment.clock),
            );
            let postbox = sink.plan.letters_to.as_ref().and_then(|name| postboxes.get(name)).cloned();
            self.spawn_sink(sink, inbox, (postbox, partitions.ending.clone()), &mut tasks);
        }
        drop(postboxes);
        let flows = routes.iter().map(|route| route.flow.clone()).collect();
        self.launch_replay(&partitions, flows, &activities, &mut tasks);
        for (source, route) in sources.into_iter().zip(routes) {
            let launcher = Launcher {
                partitions: Arc::clone(&partitions),
                member: Arc::clone(&source.member),
                flow: route.flow,
                sinks: route.sinks.iter().map(|sink| Arc::clone(&activities[*sink])).collect(),
                confirms: source.confirms,
                drain: self.around.drain.clone(),
            };
            launch_source(source, &launcher, &mut tasks);
        }
        let background = self.launch_background();
        tracing::info!(pipeline = %self.pipeline, event = "started", "pipeline started");
        let seen = (members, partitions, self.tracer);
        Running::new(self.pipeline, seen, self.checkpointer, (tasks, commits, background), self.around)
    }

    /// Starts what components leave to us, now and later.
    fn launch_background(&self) -> Tasks {
        let mut background = Tasks::new();
        let (pipeline, list) = (Arc::clone(&self.pipeline), Background::of(&self.around.shared));
        background.spawn(run_background(pipeline, list));
        background
    }

    /// Starts the partition that replays dead letters.
    fn launch_replay(
        &self,
        partitions: &Arc<Partitions>,
        flows: Vec<Flow>,
        sinks: &[Arc<Activity>],
        tasks: &mut Tasks,
    ) {
        let options = &self.around.options;
        let labels = Labels {
            pipeline: &self.pipeline,
            component: replay::SOURCE,
            kind: "source",
            component_type: "dead_letters",
            account: "",
        };
        let member: SharedMember = Arc::new(Member {
            name: SmolStr::new_static(replay::SOURCE),
            kind: ComponentKind::Source,
            component_type: "dead_letters",
            when: None,
            when_discards: true,
            letters: Letters::Store,
            metrics: self.around.metrics.component(&labels),
            checkpointer: self.checkpointer.clone(),
            environment: options.environment.clone(),
            paused: parking_lot::Mutex::default(),
            warnings: parking_lot::Mutex::default(),
            tracer: self.tracer.clone(),
        });
        let account = SmolStr::new_static(replay::ACCOUNT);
        let remembers = flows.iter().any(Flow::remembers);
        let newcomer = Newcomer { source: &member, account, labelled: false, confirms: false, remembers };
        let partition = partitions.add(newcomer);
        let (pages, arrivals) = mpsc::channel(1);
        let span = span(&self.pipeline, replay::SOURCE, "");
        tasks.spawn(ReplayFlow { flows, member: Arc::clone(&member) }.run(arrivals).instrument(span.clone()));
        let poller = Poller {
            partitions: Arc::clone(partitions),
            partition,
            member,
            source: Box::new(replay::Requests::new(Arc::clone(&self.around.store), Arc::clone(partitions))),
            pages,
            sinks: sinks.to_vec(),
            drain: self.around.drain.clone(),
            failing: false,
            // It is worth a line only after there was something to replay.
            caught_up: true,
        };
        let polling = async move {
            poller.run().await;
            Ok(())
        };
        tasks.spawn(polling.instrument(span));
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
        (sinks, edges): (&[OpenedSink], &[EdgeSender]),
        postboxes: &BTreeMap<SmolStr, Postbox>,
    ) -> Vec<Route> {
        let graph: Vec<GraphSink<'_>> = sinks
            .iter()
            .zip(edges)
            .map(|(sink, edge)| GraphSink { member: &sink.member, inputs: &sink.plan.inputs, edge })
            .collect();
        let postboxes: Vec<Postbox> = postboxes.values().cloned().collect();
        let around = (&self.around.options.environment, &postboxes[..]);
        sources.iter().map(|source| topology::route(source, transforms, &graph, around)).collect()
    }

    fn spawn_sink(
        &self,
        sink: OpenedSink,
        inbox: Inbox,
        (postbox, ending): (Option<Postbox>, CancellationToken),
        tasks: &mut Tasks,
    ) {
        let desk = Desk {
            pipeline: Arc::clone(&self.pipeline),
            member: sink.member,
            retry: sink.plan.retry,
            environment: self.around.options.environment.clone(),
            drain: self.around.drain.clone(),
            ending,
            once: self.around.options.once,
            _postbox: postbox,
        };
        let span = span(&self.pipeline, &desk.member.name, "");
        match sink.writer {
            Writer::Plain(sink) => tasks.spawn(PlainTask { desk, inbox, sink }.run().instrument(span)),
            Writer::Transactional { sink, opened, own_positions } => {
                let task = TransactionalTask::new(desk, (inbox, sink), opened, own_positions);
                tasks.spawn(task.run().instrument(span))
            }
        };
    }
}

fn launch_source(source: BuiltSource, launcher: &Launcher, tasks: &mut Tasks) {
    let labelled = source.accounts_listed;
    for (account, reader) in source.accounts {
        match reader {
            sluicebox_core::BuiltSource::Single(reader) => launcher.launch(account, labelled, reader, tasks),
            sluicebox_core::BuiltSource::Partitioned(reader) => {
                let span = span(&launcher.partitions.pipeline, &source.member.name, "");
                let prefix = labelled.then_some(account);
                tasks.spawn(launcher.clone().discover(prefix, reader).instrument(span));
            }
        }
    }
}

/// Runs what components leave to us, until one of them fails. What still runs ends when this is dropped.
async fn run_background(pipeline: Arc<str>, background: Arc<Background>) -> Result<(), Failure> {
    let mut running = Tasks::new();
    loop {
        tokio::select! {
            left = background.next() => {
                for (component, work) in left {
                    let span = span(&pipeline, &component, "");
                    let name = SmolStr::from(component.as_ref());
                    let run = async move {
                        work.await.map_err(|error| Failure::Component { component: name, message: error.chain() })
                    };
                    running.spawn(run.instrument(span));
                }
            }
            Some(ended) = running.join_next(), if !running.is_empty() => settled(ended)?,
        }
    }
}

/// Who speaks in a task's log lines, whatever library the line comes from. Empty names are left out.
pub(crate) fn span(pipeline: &str, component: &str, account: &str) -> tracing::Span {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    tracing::error_span!("task", pipeline, component = named(component), account = named(account))
}

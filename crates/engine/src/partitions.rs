//! Every partition of a pipeline: those that are known at start, and those that come while it runs.
//!
//! Invariant: a partition keeps its index for the whole run; what it starts from was read before anything ran.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use sluicebox_core::{Committer, Cursor};
use smol_str::SmolStr;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpointer::Checkpointer;
use crate::confirm::Confirmer;
use crate::member::SharedMember;
use crate::metrics::{Labels, Metrics};
use crate::options::RunOptions;
use crate::origins::{Origins, PartitionName};
use crate::partition::{Budget, Partition, Start};

/// The list, with everything that a new entry is made of.
pub(crate) struct Partitions {
    list: RwLock<Vec<Arc<Partition>>>,
    budget: Arc<Budget>,
    confirmers: Mutex<JoinSet<()>>,
    /// Cancelled once nothing more will become durable.
    closing: CancellationToken,
    /// Cancelled once a sink has given up and the run is to end: what it held counts as lost, and is not polled again.
    pub(crate) ending: CancellationToken,
    pub(crate) pipeline: Arc<str>,
    pub(crate) origins: Origins,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) options: RunOptions,
    pub(crate) checkpointer: Checkpointer,
}

/// What its source says of a new partition.
pub(crate) struct Newcomer<'s> {
    pub(crate) source: &'s SharedMember,
    pub(crate) account: SmolStr,
    /// Whether metrics name it: there is, or may be, more than one.
    pub(crate) labelled: bool,
    /// Whether the next poll waits until the last page is durable.
    pub(crate) confirms: bool,
    /// Whether a transform on its way remembers something.
    pub(crate) remembers: bool,
}

impl Partitions {
    pub(crate) fn new(
        pipeline: Arc<str>,
        origins: Origins,
        (metrics, options): (Arc<Metrics>, RunOptions),
        checkpointer: Checkpointer,
    ) -> Self {
        Self {
            list: RwLock::default(),
            budget: Arc::default(),
            confirmers: Mutex::default(),
            closing: CancellationToken::new(),
            ending: CancellationToken::new(),
            pipeline,
            origins,
            metrics,
            options,
            checkpointer,
        }
    }

    /// Makes a partition that stands where the last run, or a destination, left it.
    pub(crate) fn add(&self, newcomer: Newcomer<'_>) -> Arc<Partition> {
        let Newcomer { source, account, labelled, confirms, remembers } = newcomer;
        let name: PartitionName = (source.name.clone(), account);
        let start = self.origins.start_of(&name);
        let open_letters = self.origins.letters_again(&start);
        let memories = remembers.then(|| self.origins.memories_of(&name));
        let labels =
            Labels { account: if labelled { &start.partition } else { "" }, ..source.labels(&self.pipeline) };
        let metrics = self.metrics.partition(&labels);
        let committed_at = (start.safe_seq > 0).then_some(start.committed_at);
        let mut list = self.list.write();
        let partition = Arc::new(Partition::new(
            (list.len(), start.source, start.partition),
            Start {
                safe_seq: start.safe_seq,
                cursor: start.cursor.map(Cursor::new),
                newest: start.newest_event,
                floor_epoch: start.floor_epoch,
                confirms,
                committed_at,
                open_letters,
                memories,
                metrics,
            },
            self.options.caps,
            (Arc::clone(&self.budget), Arc::clone(&self.options.environment.clock)),
            self.checkpointer.clone(),
        ));
        list.push(Arc::clone(&partition));
        partition
    }

    /// Confirms upstream, from now on, what becomes durable of a partition.
    pub(crate) fn confirm(
        &self,
        partition: &Partition,
        member: &SharedMember,
        committer: Box<dyn Committer>,
    ) {
        let confirmer = Confirmer {
            pipeline: Arc::clone(&self.pipeline),
            member: Arc::clone(member),
            committer,
            durable: partition.durable_cursor(),
            environment: self.options.environment.clone(),
        };
        self.confirmers.lock().spawn(confirmer.run(self.closing.clone()));
    }

    /// Nothing more becomes durable: waits for the last confirmations.
    pub(crate) async fn confirm_the_rest(&self) {
        self.closing.cancel();
        let mut confirmers = std::mem::take(&mut *self.confirmers.lock());
        while confirmers.join_next().await.is_some() {}
    }

    /// Ends the confirmations that are still under way.
    pub(crate) async fn shut_down(&self) {
        let mut confirmers = std::mem::take(&mut *self.confirmers.lock());
        confirmers.shutdown().await;
    }

    /// The partition with this index.
    pub(crate) fn get(&self, index: usize) -> Option<Arc<Partition>> {
        self.list.read().get(index).cloned()
    }

    /// The partition of a source and an account, if this run has it.
    pub(crate) fn find(&self, source: &str, account: &str) -> Option<Arc<Partition>> {
        let list = self.list.read();
        list.iter().find(|known| known.source == source && known.account == account).cloned()
    }

    /// All of them, as of now.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.list.read().clone()
    }
}

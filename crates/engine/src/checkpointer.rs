//! The only writer of the checkpoint: gathers what became safe and commits it in groups.
//!
//! Invariant: a dead letter's token is resolved, a resumable sink's window acknowledged and a partition told "durable"
//! only after the commit that holds them returned.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sluicebox_core::{
    CheckpointStore, Clock, Commit, DeadLetter, Environment, ErrorClass, LetterKey, PartitionRecord,
    Position, RetryOptions, Safe, SinkRecord, Token, Verdict,
};
use smol_str::SmolStr;
use tokio::sync::{Notify, oneshot};
use tracing::{error, warn};

use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::status::Failure;

/// A handle to the group commit; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Checkpointer {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    dirty: BTreeSet<usize>,
    taken_back: Vec<LetterKey>,
    dead_letters: Vec<(DeadLetter, Origin)>,
    sinks: Vec<(SmolStr, SinkRecord)>,
    replies: Vec<oneshot::Sender<()>>,
    closed: bool,
    /// Somebody waits for this commit: it is not held back for a larger group.
    urgent: bool,
}

/// Where a dead letter comes from.
enum Origin {
    /// Resolved once the letter is durable.
    Token(Token),
    /// A slot of a partition, for which somebody waits.
    Slot(Arc<Partition>, u64),
}

/// Commits that nobody waits for come at most this often: each costs the disk a flush that sinks need too. A kill
/// repeats at most this much more into a plain sink.
const GROUPING: Duration = Duration::from_millis(5);

impl Waiting {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty()
            && self.taken_back.is_empty()
            && self.dead_letters.is_empty()
            && self.sinks.is_empty()
            && self.replies.is_empty()
    }
}

impl Checkpointer {
    /// The safe position (or pause) of a partition changed.
    ///
    /// `urgent`: something waits for it to be durable.
    pub(crate) fn touch(&self, partition: usize, urgent: bool) {
        {
            let mut waiting = self.queue.waiting.lock();
            waiting.urgent |= urgent;
            waiting.dirty.insert(partition);
        }
        self.queue.wake.notify_one();
    }

    /// Stores a dead letter and resolves its token once it is durable.
    pub(crate) fn dead_letter(&self, letter: DeadLetter, token: Token) {
        {
            let mut waiting = self.queue.waiting.lock();
            waiting.urgent = true;
            waiting.dead_letters.push((letter, Origin::Token(token)));
        }
        self.queue.wake.notify_one();
    }

    /// Stores dead letters of pages in flight and waits until they are durable. `false` if the pipeline stopped first.
    pub(crate) async fn store_dead_letters(&self, letters: Vec<(DeadLetter, Arc<Partition>, u64)>) -> bool {
        let letters =
            letters.into_iter().map(|(letter, partition, slot)| (letter, Origin::Slot(partition, slot)));
        self.wait_for(|waiting| waiting.dead_letters.extend(letters)).await
    }

    /// Forgets dead letters and waits until that is durable. `false` if the pipeline stopped first.
    pub(crate) async fn take_back(&self, letters: Vec<LetterKey>) -> bool {
        self.wait_for(|waiting| waiting.taken_back.extend(letters)).await
    }

    /// Remembers what a transactional sink has committed, with the next group.
    pub(crate) fn remember_sink(&self, sink: &SmolStr, positions: Vec<Position>) {
        let record = SinkRecord { mark: None, positions };
        self.queue.waiting.lock().sinks.push((sink.clone(), record));
        self.queue.wake.notify_one();
    }

    /// Commits a resumable sink's mark and positions and waits until they are durable. `false` if the pipeline
    /// stopped first.
    pub(crate) async fn commit_sink(&self, sink: &SmolStr, record: SinkRecord) -> bool {
        self.wait_for(|waiting| waiting.sinks.push((sink.clone(), record))).await
    }

    /// Adds to the next commit and waits until it is durable. `false` if the pipeline stopped first.
    async fn wait_for(&self, add: impl FnOnce(&mut Waiting)) -> bool {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.queue.waiting.lock();
            add(&mut waiting);
            waiting.replies.push(sender);
            waiting.urgent = true;
        }
        self.queue.wake.notify_one();
        receiver.await.is_ok()
    }

    /// No more work will come: the task ends once everything is durable.
    pub(crate) fn close(&self) {
        self.queue.waiting.lock().closed = true;
        self.queue.wake.notify_one();
    }

    /// The next group. `last` is when the last one was taken, by the clock that never goes back.
    async fn take(&self, clock: &dyn Clock, last: Duration) -> Option<Waiting> {
        loop {
            let mut wake = std::pin::pin!(self.queue.wake.notified());
            wake.as_mut().enable();
            let age = clock.elapsed().saturating_sub(last);
            let held_back = {
                let mut waiting = self.queue.waiting.lock();
                let now = waiting.urgent || waiting.closed || age >= GROUPING;
                if now && !waiting.is_empty() {
                    let closed = waiting.closed;
                    let work = std::mem::take(&mut *waiting);
                    waiting.closed = closed;
                    return Some(work);
                }
                if waiting.closed {
                    return None;
                }
                !waiting.is_empty()
            };
            if held_back {
                tokio::select! { () = wake => {}, () = clock.sleep(GROUPING.saturating_sub(age)) => {} }
            } else {
                wake.await;
            }
        }
    }
}

/// The group commit task.
pub(crate) struct CommitTask {
    pub(crate) handle: Checkpointer,
    pub(crate) store: Arc<dyn CheckpointStore>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) epoch: u64,
    pub(crate) environment: Environment,
    pub(crate) pipeline: Arc<str>,
}

impl CommitTask {
    /// Runs until closed.
    ///
    /// # Errors
    /// The state is not ours any more, or unreadable.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let clock = Arc::clone(&self.environment.clock);
        let mut last = Duration::ZERO;
        while let Some(work) = self.handle.take(clock.as_ref(), last).await {
            last = clock.elapsed();
            let (commit, positions) = self.commit_for(&work);
            self.write(commit).await?;
            let now = self.environment.clock.now();
            for (partition, safe) in positions {
                partition.made_durable(safe, now);
            }
            for (_, token) in work.dead_letters {
                if let Origin::Token(token) = token {
                    token.resolve(Verdict::DeadLettered);
                }
            }
            for reply in work.replies {
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn commit_for(&self, work: &Waiting) -> (Commit, Vec<(Arc<Partition>, Safe)>) {
        let mut commit = Commit {
            epoch: None,
            partitions: Vec::with_capacity(work.dirty.len()),
            sinks: work.sinks.clone(),
            taken_back: work.taken_back.clone(),
            dead_letters: work
                .dead_letters
                .iter()
                .filter_map(|(letter, from)| self.filed(letter, from))
                .collect(),
            memories: Vec::new(),
        };
        let now = self.environment.clock.now();
        let mut positions = Vec::with_capacity(work.dirty.len());
        for index in &work.dirty {
            let Some(partition) = self.partitions.get(*index) else { continue };
            let (safe, newest_event) = partition.safe();
            commit.partitions.push(PartitionRecord {
                source: partition.source.clone(),
                partition: partition.account.clone(),
                epoch: self.epoch,
                safe_seq: safe.seq,
                cursor: safe.cursor.as_ref().map(|cursor| bytes::Bytes::copy_from_slice(cursor.as_bytes())),
                committed_at: now,
                newest_event,
                paused: partition.paused().map(|pause| SmolStr::new_static(pause.reason)),
                floor_epoch: partition.floor_epoch,
            });
            commit.memories.extend(partition.memories_up_to(safe.slot));
            positions.push((partition, safe));
        }
        (commit, positions)
    }

    /// A letter with the page that it belongs to. `None` if that page comes again anyway, because the partition started
    /// over.
    fn filed(&self, letter: &DeadLetter, origin: &Origin) -> Option<DeadLetter> {
        let mut letter = letter.clone();
        // The request that brought it finds nothing when it comes again: this letter is all there is.
        if letter.is_renewed() {
            return Some(letter);
        }
        match origin {
            Origin::Token(token) => {
                let partition = self.partitions.get(token.partition())?;
                letter.page = Some(partition.letter_page(token.slot(), self.epoch)?);
                partition.letter_made(token.slot(), letter.key());
            }
            // The sink that holds it remembers it beside its position, and does not try again in this run.
            Origin::Slot(partition, slot) => letter.page = partition.letter_page(*slot, self.epoch),
        }
        Some(letter)
    }

    /// Writes until it holds: a full disk blocks the pipeline, it loses nothing.
    async fn write(&self, commit: Commit) -> Result<(), Failure> {
        let mut backoff = RetryOptions::default().backoff();
        loop {
            let error = match self.store.commit(commit.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.class() == ErrorClass::Fenced {
                return Err(Failure::Fenced(error.chain()));
            }
            if !error.class().is_retryable() {
                error!(pipeline = %self.pipeline, event = "state", "the state cannot be written: {}", error.chain());
                return Err(Failure::State(error.chain()));
            }
            let wait = backoff.next(error.retry_after(), self.environment.chance.as_ref());
            warn!(
                pipeline = %self.pipeline, event = "retry",
                "the checkpoint could not be written, trying again in {:.1} s: {}", wait.as_secs_f64(), error.chain()
            );
            self.environment.clock.sleep(wait).await;
        }
    }
}

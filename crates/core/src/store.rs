//! Where checkpoints lie: one record of state per pipeline, committed atomically.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use smol_str::SmolStr;

use crate::{DeadLetter, LetterKey, LetterPage, Position, Remembered, Result, Timestamp};

/// Durable state of one pipeline. The engine alone writes it.
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Everything that is stored, read once at start.
    ///
    /// # Errors
    /// `State` if it is torn, flipped, or written by a newer version: the pipeline refuses to start afresh.
    async fn load(&self) -> Result<State>;

    /// Makes a commit durable, whole or not at all. Dead letters that exist already (same component and `meta.id`)
    /// are left as they are.
    ///
    /// # Errors
    /// Retryable if the disk is full or busy; `Fenced` if another process owns the state.
    async fn commit(&self, commit: Commit) -> Result<()>;

    /// What people have asked for with dead letters after request number `after`, at most `most`, in order.
    ///
    /// # Errors
    /// Retryable if the requests cannot be read now.
    async fn requests(&self, _after: u64, _most: usize) -> Result<Vec<Request>> {
        Ok(Vec::new())
    }

    /// Every request up to this number is done: forgets its dead letter (one that failed again is another) and the
    /// request itself. Doing it again changes nothing.
    ///
    /// # Errors
    /// As [`CheckpointStore::commit`].
    async fn requests_done(&self, _up_to: u64) -> Result<()> {
        Ok(())
    }
}

/// What a person asked for with one dead letter.
#[derive(Clone, Debug)]
pub struct Request {
    /// Numbers grow and are never used again.
    pub number: u64,
    /// What is to be done.
    pub wish: Wish,
}

/// What is to be done with a dead letter.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Send it through the pipeline again.
    Replay(Box<DeadLetter>),
    /// Forget it (or it is gone already).
    Drop,
}

/// What a pipeline remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The highest ownership epoch so far.
    pub epoch: u64,
    /// By source and account.
    pub partitions: Vec<PartitionRecord>,
    /// By sink name.
    pub sinks: BTreeMap<SmolStr, SinkRecord>,
    /// Dead letters of pages that the stored position of their partition has not passed: those pages come again.
    pub open_letters: Vec<(LetterKey, LetterPage)>,
    /// What transforms remember, as of the stored position of each partition.
    pub memories: BTreeMap<MemoryName, BTreeMap<SmolStr, Remembered>>,
}

/// Whose memory, and of which partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryName {
    /// The source component's name.
    pub source: SmolStr,
    /// The account.
    pub partition: SmolStr,
    /// The transform that remembers.
    pub component: SmolStr,
}

/// The checkpoint of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    /// The source component's name.
    pub source: SmolStr,
    /// The account.
    pub partition: SmolStr,
    /// The epoch that wrote it.
    pub epoch: u64,
    /// Sequence number of the safe cursor.
    pub safe_seq: u64,
    /// The safe cursor; `None` where the source has none yet.
    pub cursor: Option<Bytes>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Event time of the newest event that it covers.
    pub newest_event: Option<Timestamp>,
    /// Why the partition is paused, if it is.
    pub paused: Option<SmolStr>,
    /// Set when a person moved the cursor: positions that sinks recorded under an earlier epoch no longer count.
    pub floor_epoch: u64,
}

/// What the checkpoint remembers of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkRecord {
    /// The mark of a resumable sink.
    pub mark: Option<Bytes>,
    /// Positions: the truth for a resumable sink; for a transactional one what its destination had committed, so that
    /// a destination restored from a backup is noticed.
    pub positions: Vec<Position>,
}

/// One atomic change of the state.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// A new ownership epoch, at start.
    pub epoch: Option<u64>,
    /// Checkpoints to replace.
    pub partitions: Vec<PartitionRecord>,
    /// Sink records to replace: the mark if it is given, and each position by its partition.
    pub sinks: Vec<(SmolStr, SinkRecord)>,
    /// Dead letters to forget, before others are added: their events came again.
    pub taken_back: Vec<LetterKey>,
    /// Dead letters to add. One that was replayed replaces the letter that it was.
    pub dead_letters: Vec<DeadLetter>,
    /// What transforms remember from now on by key (`None`: forgotten), up to the checkpoints in this commit.
    pub memories: Vec<(MemoryName, BTreeMap<SmolStr, Option<Remembered>>)>,
}

impl Commit {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.epoch.is_none()
            && self.partitions.is_empty()
            && self.sinks.is_empty()
            && self.taken_back.is_empty()
            && self.dead_letters.is_empty()
            && self.memories.is_empty()
    }
}

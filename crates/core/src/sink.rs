//! Sinks: three shapes, by where the truth of the position lies.

use async_trait::async_trait;
use smol_str::SmolStr;

use crate::{DeadLetter, Error, Event, Position, Result};

/// Writes events; `Ok` means durable. The checkpoint holds the position: at least once.
///
/// A sink holds no retry, batching or rate-limit loop: one call is one attempt.
#[async_trait]
pub trait Sink: Send {
    /// Writes a batch in order.
    ///
    /// A partial failure names the rejected indices in [`Written`]; every other event is durable. Whoever rejects an
    /// event as retryable also rejects the later events of the same key in that call, so that order per key holds.
    ///
    /// # Errors
    /// Nothing of the batch counts as written. Retryable: the same batch comes again. `Permanent`: the engine halves
    /// the batch until the guilty event is found and made a dead letter. Others pause the sink.
    async fn write(&mut self, events: &[Event]) -> Result<Written>;

    /// The pipeline stops: flush and let go. Everything acknowledged is already durable.
    ///
    /// # Errors
    /// Logged only.
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What became of a written batch.
#[derive(Debug, Default)]
pub struct Written {
    /// Events that were not written; all others (before `stopped`) are durable.
    pub rejected: Vec<Rejected>,
    /// Set by a sink that keeps the order of all events, not only of each key, and did not get to the end: nothing
    /// from there on was attempted, and it all comes again in the same order.
    pub stopped: Option<Stopped>,
}

/// Where a sink stopped within a batch, and why.
#[derive(Debug)]
pub struct Stopped {
    /// Index of the first event that was not written.
    pub at: usize,
    /// Why, as [`Sink::write`] would fail: retryable, or a pause. `None`: what was written so far is to be settled
    /// before the rest is tried.
    pub error: Option<Error>,
}

impl Written {
    /// Everything was written but these.
    pub fn but(rejected: Vec<Rejected>) -> Self {
        Self { rejected, stopped: None }
    }
}

/// One event that was not written.
#[derive(Debug)]
pub struct Rejected {
    /// Index into the slice that was passed.
    pub index: usize,
    /// Why; retryable or not as its class says.
    pub error: Error,
}

/// A sink that can return to a mark: the checkpoint holds mark and position in one atomic record, so the sink is
/// exactly once although it knows no transactions (a file that is cut back to a recorded length).
#[async_trait]
pub trait ResumableSink: Sink {
    /// Undoes everything after `mark` (`None`: everything ever written by this pipeline and sink). Called once,
    /// before the first write.
    ///
    /// # Errors
    /// `State` if the destination cannot be brought back to the mark.
    async fn restore(&mut self, mark: Option<&[u8]>) -> Result<()>;

    /// The mark after the last successful write.
    fn mark(&self) -> Vec<u8>;
}

/// A sink whose destination commits rows, dead letters and positions in one atomic unit: exactly once.
#[async_trait]
pub trait TransactionalSink: Send {
    /// Takes ownership: raises the epoch so that a previous owner is fenced, and reads the positions.
    ///
    /// # Errors
    /// Retryable if the destination is away; `State` if what is there cannot be used.
    async fn open(&mut self, shard: &Shard) -> Result<Opened>;

    /// Commits a window whole, or nothing of it.
    ///
    /// # Errors
    /// `Fenced` if the epoch is not ours any more. Retryable: the same window comes again; after an unknown outcome
    /// the sink itself reads the position to find out whether it had been committed.
    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed>;

    /// The pipeline stops.
    ///
    /// # Errors
    /// Logged only.
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What identifies the positions of one sink of one pipeline in a destination.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The pipeline's name.
    pub pipeline: SmolStr,
    /// The sink component's name.
    pub sink: SmolStr,
    /// The epoch to take, unless the destination already knows a higher one (then that plus one).
    pub epoch: u64,
}

/// What a transactional sink found when it took ownership.
#[derive(Debug, Default)]
pub struct Opened {
    /// The epoch that is now ours.
    pub epoch: u64,
    /// The position of every partition that this sink has committed.
    pub positions: Vec<Position>,
}

/// One atomic unit of work for a transactional sink.
#[derive(Debug)]
pub struct Window<'a> {
    /// Rows to append, in order.
    pub events: &'a [Event],
    /// Dead letters of this sink.
    pub dead_letters: &'a [DeadLetter],
    /// The positions to store, one for each partition in the window.
    pub positions: &'a [Position],
}

/// How a commit ended without an error.
#[derive(Debug)]
pub enum Committed {
    /// Everything is durable.
    All,
    /// Nothing was committed because these rows can never be: the engine makes them dead letters and commits again.
    Nothing(Vec<Rejected>),
}

/// What a sink's configuration builds.
pub enum BuiltSink {
    /// At least once; the checkpoint holds the position.
    Plain(Box<dyn Sink>),
    /// Exactly once; the checkpoint holds mark and position.
    Resumable(Box<dyn ResumableSink>),
    /// Exactly once; the destination holds the position.
    Transactional(Box<dyn TransactionalSink>),
}

//! Sources: pulled, one page at a time.

use async_trait::async_trait;
use smol_str::SmolStr;

use crate::{Batch, Cursor, Result};

/// Polls one partition (one account) of an upstream.
///
/// A source holds no retry, backoff or rate-limit loop: it makes one attempt and classifies what came back; the
/// engine waits, retries, pauses and saves the cursor.
#[async_trait]
pub trait Source: Send {
    /// Stands at a saved cursor (`None`: first start ever, `start:` decides). Called before the first poll, and again
    /// whenever the partition starts over from its safe cursor.
    ///
    /// # Errors
    /// `Config` or `State` (pause) if the cursor cannot be one of this source's.
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()>;

    /// One poll: the next page, or `None` at the end of a source that ends.
    ///
    /// Cancel-safe: dropping the future leaves the source where it stood, and the same page will come again.
    ///
    /// # Errors
    /// Retryable classes are asked again from the same cursor; all others pause the partition.
    async fn next(&mut self) -> Result<Option<Batch>>;

    /// Waits for a reason to be asked before the wait that the last page named ([`Pace::After`](crate::Pace)) is over:
    /// a bell. Cancel-safe: a reason that came while nobody waited is still there at the next call. By default there is
    /// none.
    async fn woken(&mut self) {
        std::future::pending::<()>().await;
    }

    /// Waits for a reason to be asked again after an error that pauses: another configuration. Cancel-safe. By default
    /// there is none, and a paused source stays so until the next start.
    async fn mended(&mut self) {
        std::future::pending::<()>().await;
    }

    /// Tells the upstream that a position is durable everywhere, for sources that want to hear it apart from the next
    /// poll. Asked once, after `open`; it may outlive the source, whose last pages become durable after the last poll.
    fn committer(&self) -> Option<Box<dyn Committer>> {
        None
    }
}

/// Confirms a position upstream once it is durable everywhere.
#[async_trait]
pub trait Committer: Send {
    /// Everything up to `cursor` is durable. Called with the newest such cursor; those before it are left out.
    ///
    /// # Errors
    /// Retryable classes are tried again; a lost confirmation means redelivery, never loss.
    async fn commit(&mut self, cursor: &Cursor) -> Result<()>;
}

/// A source whose partitions are not known beforehand: they come while it runs (the partitions of a topic that a
/// consumer group assigns).
#[async_trait]
pub trait PartitionedSource: Send {
    /// Waits for the next partition to read. Each is handed out once; a partition that is taken away for a while keeps
    /// its source, whose `next` waits until it comes back. Cancel-safe.
    ///
    /// # Errors
    /// Retryable classes are asked again; all others pause the source.
    async fn discover(&mut self) -> Result<Discovered>;
}

/// What a [`PartitionedSource`] found.
pub enum Discovered {
    /// A partition of this name, which checkpoints and positions are kept under.
    Partition(SmolStr, Box<dyn Source>),
    /// Every partition that there is at this moment has been handed out: `run --once` waits for no more.
    AllForNow,
}

/// What a source's configuration builds.
pub enum BuiltSource {
    /// One partition: the account.
    Single(Box<dyn Source>),
    /// Partitions that come while it runs.
    Partitioned(Box<dyn PartitionedSource>),
}

impl BuiltSource {
    /// A source of one partition.
    pub fn single(source: impl Source + 'static) -> Self {
        Self::Single(Box::new(source))
    }

    /// The source, if it is one partition.
    pub fn into_single(self) -> Option<Box<dyn Source>> {
        match self {
            Self::Single(source) => Some(source),
            Self::Partitioned(_) => None,
        }
    }
}

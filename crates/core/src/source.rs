//! Sources: pulled, one page at a time.

use async_trait::async_trait;

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

    /// Tells the upstream that a position is durable everywhere, for sources that want to hear it apart from the next
    /// poll.
    fn committer(&self) -> Option<Box<dyn Committer>> {
        None
    }
}

/// Confirms a position upstream once it is durable everywhere.
#[async_trait]
pub trait Committer: Send {
    /// Everything up to `cursor` is durable.
    ///
    /// # Errors
    /// Retryable classes are tried again; a lost confirmation means redelivery, never loss.
    async fn commit(&mut self, cursor: &Cursor) -> Result<()>;
}

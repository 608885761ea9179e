//! Where a body goes that is too large to be held: a file, say.
//!
//! Invariant: chunks come in order, each once, and no more bytes than the call allows.

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::Result;

/// Takes a body as it comes in; see [`crate::Client::receive`].
#[async_trait]
pub trait Receiver: Send {
    /// Takes the next chunk. The exchange waits for it.
    ///
    /// # Errors
    /// Ends the exchange, and is its error.
    async fn receive(&mut self, chunk: Bytes) -> Result<()>;
}

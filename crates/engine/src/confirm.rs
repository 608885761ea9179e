//! Tells an upstream what is durable everywhere, apart from the next poll.
//!
//! Invariant: the upstream hears of a cursor only after the checkpoint that holds it is durable.

use std::sync::Arc;

use sluicebox_core::{Committer, Cursor, Environment, RetryOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::member::SharedMember;

/// One partition's confirmations.
pub(crate) struct Confirmer {
    pub(crate) pipeline: Arc<str>,
    pub(crate) member: SharedMember,
    pub(crate) committer: Box<dyn Committer>,
    pub(crate) durable: watch::Receiver<Option<Cursor>>,
    pub(crate) environment: Environment,
}

impl Confirmer {
    /// Confirms until nothing more will become durable (`closing`); the last cursor is confirmed too. A cursor that a
    /// newer one overtakes is left out.
    pub(crate) async fn run(mut self, closing: CancellationToken) {
        loop {
            let cursor = self.durable.borrow_and_update().clone();
            if let Some(cursor) = cursor {
                self.confirm(&cursor).await;
            }
            let Ok(overtaken) = self.durable.has_changed() else { return };
            if closing.is_cancelled() && !overtaken {
                return;
            }
            tokio::select! {
                changed = self.durable.changed() => if changed.is_err() { return },
                () = closing.cancelled(), if !closing.is_cancelled() => {}
            }
        }
    }

    /// A confirmation that is refused for good is told and forgotten: the upstream sends again, and nothing is lost.
    async fn confirm(&mut self, cursor: &Cursor) {
        let mut backoff = RetryOptions::default().backoff();
        // A newer cursor confirms this one too.
        while !self.durable.has_changed().unwrap_or(false) {
            let Err(error) = self.committer.commit(cursor).await else { return };
            self.member.metrics.error(error.class());
            let (pipeline, component) = (&self.pipeline, &self.member.name);
            if !error.class().is_retryable() {
                let message = error.chain();
                warn!(%pipeline, %component, "the upstream refuses a confirmation and will send again: {message}");
                return;
            }
            let wait = backoff.next(error.retry_after(), self.environment.chance.as_ref());
            warn!(
                %pipeline, %component, event = "retry",
                "cannot confirm upstream, trying again in {:.1} s: {}", wait.as_secs_f64(), error.chain()
            );
            self.environment.clock.sleep(wait).await;
        }
    }
}

//! The `kafka` sink exactly once, as the engine sees it: windows go to a [`Transactor`] beside the runtime.

use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Committed, Opened, Result, Shard, TransactionalSink, Window};

use crate::beside::Beside;
use crate::transactor::{OwnedWindow, Transactor};

/// Commits windows in Kafka transactions.
pub(crate) struct ExactSink {
    transactor: Beside<Transactor>,
}

impl ExactSink {
    pub(crate) fn new(transactor: Transactor) -> Self {
        let clock = Arc::clone(&transactor.setup.clock);
        let watchdog = transactor.setup.watchdog();
        Self { transactor: Beside::new(transactor, clock, watchdog) }
    }
}

#[async_trait]
impl TransactionalSink for ExactSink {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        let shard = shard.clone();
        self.transactor.run(move |transactor, _| transactor.open(shard)).await
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        let window = OwnedWindow::of(window);
        self.transactor.run(move |transactor, heard| transactor.commit(&window, heard)).await
    }

    async fn close(&mut self) -> Result<()> {
        self.transactor
            .run(|transactor, _| {
                transactor.close();
                Ok(())
            })
            .await
    }
}

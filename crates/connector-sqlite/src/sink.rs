//! The `sqlite` sink at work: each window is handed to a thread that may block, and its outcome is never lost.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Clock, Committed, Error, ErrorClass, Opened, Result, Shard, TransactionalSink, Window};
use sluicebox_tables::TableWriter;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::session::{OwnedWindow, Session};

/// Writes rows to one table.
pub(crate) struct SqliteSink {
    destination: Arc<Destination>,
    clock: Arc<dyn Clock>,
    session: Option<Arc<Session>>,
    /// A commit whose caller went away before it ended.
    unsettled: Option<JoinHandle<Result<Committed>>>,
}

/// Where rows go.
pub(crate) struct Destination {
    pub(crate) path: PathBuf,
    pub(crate) table: String,
    pub(crate) rows: TableWriter,
}

impl SqliteSink {
    pub(crate) fn new(destination: Destination, clock: Arc<dyn Clock>) -> Self {
        Self { destination: Arc::new(destination), clock, session: None, unsettled: None }
    }

    /// Waits for a commit whose caller went away. `true` if it was this window and is durable.
    async fn settle(&mut self, window: &Window<'_>) -> Result<bool> {
        let Some(unsettled) = &mut self.unsettled else { return Ok(false) };
        let outcome = unsettled.await;
        self.unsettled = None;
        let Some(session) = self.session.clone().filter(|_| matches!(outcome, Ok(Ok(Committed::All)))) else {
            return Ok(false);
        };
        let stored = blocking(move || session.positions()).await?;
        // Every window moves the positions of its partitions, so equal positions mean the same window.
        Ok(!window.positions.is_empty() && window.positions.iter().all(|position| stored.contains(position)))
    }
}

#[async_trait]
impl TransactionalSink for SqliteSink {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        if let Some(unsettled) = self.unsettled.take() {
            // Whatever became of it shows in the positions that are read below.
            let _ = unsettled.await;
        }
        let (destination, shard) = (Arc::clone(&self.destination), shard.clone());
        let (session, opened) = blocking(move || Session::open(destination, shard)).await?;
        self.session = Some(Arc::new(session));
        Ok(opened)
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        if self.settle(window).await? {
            return Ok(Committed::All);
        }
        let Some(session) = self.session.clone() else {
            return Err(Error::new(ErrorClass::State, "the database was not opened"));
        };
        let owned = OwnedWindow {
            events: window.events.to_vec(),
            dead_letters: window.dead_letters.to_vec(),
            positions: window.positions.to_vec(),
            loaded_at: self.clock.now(),
        };
        let running = self.unsettled.insert(spawn_blocking(move || session.commit(&owned)));
        let outcome = running.await;
        self.unsettled = None;
        outcome.unwrap_or_else(|error| Err(interrupted(error)))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(session) = self.session.take() {
            session.summarize();
        }
        Ok(())
    }
}

/// Runs blocking work beside the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(interrupted(error)))
}

fn interrupted(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorClass::State, "the work on the database was interrupted").with_cause(error)
}

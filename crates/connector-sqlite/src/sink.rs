//! The `sqlite` sink at work: each window is handed to a thread that may block, and its outcome is never lost.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Clock, Committed, Error, ErrorClass, Opened, Result, Shard, TransactionalSink, Window};
use sluicebox_tables::TableWriter;
use smol_str::SmolStr;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::session::{OwnedWindow, Session};

/// Writes rows to one table.
pub(crate) struct SqliteSink {
    destination: Arc<Destination>,
    clock: Arc<dyn Clock>,
    session: Option<Arc<Session>>,
    /// A commit whose caller went away before it ended.
    unsettled: Option<Unsettled>,
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

    /// Waits for a commit whose caller went away. `true` if the rows of this window were in it and are durable.
    ///
    /// The same window may come with other positions, for other sinks go on meanwhile: its events tell.
    async fn settle(&mut self, window: &Window<'_>) -> bool {
        let Some(Unsettled { ids, task }) = &mut self.unsettled else { return false };
        let is_durable = matches!(task.await, Ok(Ok(Committed::All)));
        let is_same = ids.iter().eq(window.events.iter().map(|event| &event.meta().id));
        self.unsettled = None;
        is_durable && is_same
    }
}

/// A commit under way, and the ids of its events.
struct Unsettled {
    ids: Vec<SmolStr>,
    task: JoinHandle<Result<Committed>>,
}

#[async_trait]
impl TransactionalSink for SqliteSink {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        if let Some(unsettled) = self.unsettled.take() {
            // Whatever became of it shows in the positions that are read below.
            let _ = unsettled.task.await;
        }
        let (destination, shard) = (Arc::clone(&self.destination), shard.clone());
        let (session, opened) = blocking(move || Session::open(destination, shard)).await?;
        self.session = Some(Arc::new(session));
        Ok(opened)
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        // What is durable already is not written again, but its positions are.
        let events = if self.settle(window).await { &[] } else { window.events };
        let Some(session) = self.session.clone() else {
            return Err(Error::new(ErrorClass::State, "the database was not opened"));
        };
        let owned = OwnedWindow {
            events: events.to_vec(),
            dead_letters: window.dead_letters.to_vec(),
            positions: window.positions.to_vec(),
            loaded_at: self.clock.now(),
        };
        let ids = window.events.iter().map(|event| event.meta().id.clone()).collect();
        let task = spawn_blocking(move || session.commit(&owned));
        let outcome = (&mut self.unsettled.insert(Unsettled { ids, task }).task).await;
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

//! The `sqlite` sink at work: one transaction per window.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Transaction;
use sluicebox_core::{
    Clock, Committed, DeadLetter, Error, ErrorClass, Event, Opened, Position, Rejected, Result, Shard,
    TransactionalSink, Window,
};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::fault::{classify, guilt_of_row};
use crate::layout::{Layout, Load, Received};
use crate::ledger;
use crate::table::{self, insert_statement};
use crate::writer::{Outcome, Writer};

/// Appends rows to one table.
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
    pub(crate) layout: Layout,
}

/// Ownership of the positions of one pipeline and sink.
struct Session {
    destination: Arc<Destination>,
    writer: Arc<Writer>,
    insert: String,
    /// The shard with the epoch that is ours.
    shard: Shard,
}

/// A window that can be handed to another thread; events are shared, not copied.
struct OwnedWindow {
    events: Vec<Event>,
    dead_letters: Vec<DeadLetter>,
    positions: Vec<Position>,
    load: Load,
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
            load: Load {
                pipeline: session.shard.pipeline.to_string(),
                loaded_at: self.clock.now().to_string(),
            },
        };
        let running = self.unsettled.insert(spawn_blocking(move || session.commit(&owned)));
        let outcome = running.await;
        self.unsettled = None;
        outcome.unwrap_or_else(|error| Err(interrupted(error)))
    }

    async fn close(&mut self) -> Result<()> {
        self.session = None;
        Ok(())
    }
}

impl Session {
    fn open(destination: Arc<Destination>, mut shard: Shard) -> Result<(Self, Opened)> {
        let writer = Writer::of(&destination.path)?;
        let path = writer.path().to_owned();
        let opened = writer.transact(|transaction| {
            table::prepare(transaction, &destination.table, &destination.layout, &path)?;
            let take = || -> rusqlite::Result<Opened> {
                ledger::prepare(transaction)?;
                let epoch = ledger::take(transaction, &shard)?;
                Ok(Opened { epoch, positions: ledger::positions(transaction, &shard)? })
            };
            take().map(Outcome::Keep).map_err(|error| classify(error, "take over", &path))
        })?;
        shard.epoch = opened.epoch;
        let insert = insert_statement(&destination.table, &destination.layout);
        Ok((Self { destination, writer, insert, shard }, opened))
    }

    fn positions(&self) -> Result<Vec<Position>> {
        let read = |error| classify(error, "read the positions of", self.writer.path());
        self.writer.transact(|transaction| {
            ledger::positions(transaction, &self.shard).map(Outcome::Undo).map_err(read)
        })
    }

    fn commit(&self, window: &OwnedWindow) -> Result<Committed> {
        self.writer.transact(|transaction| {
            self.check_owner(transaction)?;
            let rejected = self.insert(transaction, window)?;
            if !rejected.is_empty() {
                return Ok(Outcome::Undo(Committed::Nothing(rejected)));
            }
            let write = || -> rusqlite::Result<()> {
                for letter in &window.dead_letters {
                    ledger::add_dead_letter(transaction, &self.shard, letter)?;
                }
                let mut positions = window.positions.iter();
                positions.try_for_each(|position| ledger::put_position(transaction, &self.shard, position))
            };
            write().map_err(|error| classify(error, "write to", self.writer.path()))?;
            Ok(Outcome::Keep(Committed::All))
        })
    }

    /// A later owner has raised the epoch: then nothing may be written.
    fn check_owner(&self, transaction: &Transaction<'_>) -> Result<()> {
        let owner = ledger::owner(transaction, &self.shard)
            .map_err(|error| classify(error, "read the owner of", self.writer.path()))?;
        if owner == Some(self.shard.epoch) {
            return Ok(());
        }
        let message = format!(
            "another instance has taken over the positions of `{}` in {}",
            self.shard.sink,
            self.writer.path().display()
        );
        Err(Error::new(ErrorClass::Fenced, message))
    }

    /// Appends every row that can be; returns all that never can.
    fn insert(&self, transaction: &Transaction<'_>, window: &OwnedWindow) -> Result<Vec<Rejected>> {
        let write = |error| classify(error, "write to", self.writer.path());
        let Destination { layout, table, .. } = &*self.destination;
        let mut statement = transaction.prepare_cached(&self.insert).map_err(write)?;
        let mut rejected = Vec::new();
        let mut received = Received::default();
        for (index, event) in window.events.iter().enumerate() {
            received.at(event);
            let error = match layout.row(event, &window.load, &received) {
                Err(error) => error,
                Ok(row) => match statement.execute(rusqlite::params_from_iter(&row)) {
                    Ok(_) => continue,
                    Err(error) => guilt_of_row(error, table).map_err(write)?,
                },
            };
            rejected.push(Rejected { index, error });
            if transaction.is_autocommit() {
                // A constraint with ON CONFLICT ROLLBACK has ended the transaction: the rows after it are tried when
                // the engine comes again without this one.
                break;
            }
        }
        Ok(rejected)
    }
}

/// Runs blocking work beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(interrupted(error)))
}

fn interrupted(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorClass::State, "the work on the database was interrupted").with_cause(error)
}

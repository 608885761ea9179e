//! One window in one transaction: owner, table, rows, dead letters, positions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params_from_iter};
use sluicebox_core::{
    Committed, DeadLetter, Error, ErrorClass, Event, Opened, Position, Rejected, Result, Shard, Timestamp,
};
use sluicebox_tables::{Cell, Column, Discarded, Plan, RowBatch};

use crate::fault::{classify, guilt_of_row};
use crate::group::Outcome;
use crate::ledger;
use crate::sink::Destination;
use crate::table::{self, insert_statement};
use crate::types::Bound;
use crate::writer::Writer;

/// Ownership of the positions of one pipeline and sink.
pub(crate) struct Session {
    destination: Arc<Destination>,
    writer: Arc<Writer>,
    /// The statement of a row where the columns are fixed.
    insert: String,
    /// The shard with the epoch that is ours.
    shard: Shard,
    /// How many values of each field were left out.
    discarded: Mutex<BTreeMap<String, u64>>,
}

/// A window that can be handed to another thread; events are shared, not copied.
pub(crate) struct OwnedWindow {
    pub(crate) events: Vec<Event>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) positions: Vec<Position>,
    pub(crate) loaded_at: Timestamp,
}

/// What became of the rows of a window.
enum Inserted {
    /// All are in the table; these values were left out.
    All(Vec<Discarded>),
    /// These can never be.
    Not(Vec<Rejected>),
}

/// Whether a cell says nothing where the database has something to say.
fn leaves_default((column, cell): (&Column, &Cell<'_>)) -> bool {
    column.has_default && *cell == Cell::Null
}

impl Session {
    pub(crate) fn open(destination: Arc<Destination>, mut shard: Shard) -> Result<(Self, Opened)> {
        let writer = Writer::of(&destination.path)?;
        let path = writer.path().to_owned();
        let opened = writer.transact(|connection| {
            table::prepare(connection, &destination.table, &destination.rows, &path)?;
            let take = || -> rusqlite::Result<Opened> {
                ledger::prepare(connection)?;
                let epoch = ledger::take(connection, &shard)?;
                Ok(Opened { epoch, positions: ledger::positions(connection, &shard)? })
            };
            take().map(Outcome::Keep).map_err(|error| classify(error, "take over", &path))
        })?;
        shard.epoch = opened.epoch;
        let Destination { table, rows, .. } = &*destination;
        let insert = insert_statement(table, &rows.first_columns(), rows.key());
        let discarded = Mutex::default();
        Ok((Self { destination, writer, insert, shard, discarded }, opened))
    }

    pub(crate) fn commit(&self, window: &OwnedWindow) -> Result<Committed> {
        let batch = RowBatch::new(&window.events, &self.shard.pipeline, window.loaded_at);
        let inserted = self.writer.transact(|connection| {
            self.check_owner(connection)?;
            let inserted = if self.destination.rows.is_from_event() {
                self.insert_planned(connection, &batch)?
            } else {
                self.insert_fixed(connection, &batch)?
            };
            if let Inserted::Not(_) = &inserted {
                return Ok(Outcome::Undo(inserted));
            }
            let write = || -> rusqlite::Result<()> {
                for letter in &window.dead_letters {
                    ledger::add_dead_letter(connection, &self.shard, letter)?;
                }
                let mut positions = window.positions.iter();
                positions.try_for_each(|position| ledger::put_position(connection, &self.shard, position))
            };
            write().map_err(|error| self.failed(error))?;
            Ok(Outcome::Keep(inserted))
        })?;
        match inserted {
            Inserted::Not(rejected) => Ok(Committed::Nothing(rejected)),
            Inserted::All(discarded) => {
                self.tell(discarded);
                Ok(Committed::All)
            }
        }
    }

    /// A later owner has raised the epoch: then nothing may be written.
    fn check_owner(&self, connection: &Connection) -> Result<()> {
        let owner = ledger::owner(connection, &self.shard)
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

    /// Writes every row that can be; names all that never can.
    fn insert_fixed(&self, connection: &Connection, batch: &RowBatch<'_>) -> Result<Inserted> {
        let mut statement = connection.prepare_cached(&self.insert).map_err(|error| self.failed(error))?;
        let mut rejected = Vec::new();
        for index in 0..batch.events().len() {
            let outcome = match self.destination.rows.row(batch, index) {
                Ok(row) => self.write_row(&mut statement, &row)?,
                Err(error) => Err(error),
            };
            let Err(error) = outcome else { continue };
            rejected.push(Rejected { index, error });
            if connection.is_autocommit() {
                // A constraint with ON CONFLICT ROLLBACK has ended the transaction: the rows after it are tried when
                // the engine comes again without this one.
                break;
            }
        }
        Ok(if rejected.is_empty() { Inserted::All(Vec::new()) } else { Inserted::Not(rejected) })
    }

    /// Lets the table grow as the events ask for, then writes the rows.
    fn insert_planned(&self, connection: &Connection, batch: &RowBatch<'_>) -> Result<Inserted> {
        let Destination { table, rows, .. } = &*self.destination;
        // Another sink may have changed the table: what it is now holds as long as the transaction does.
        let known = table::read(connection, table)
            .map_err(|error| classify(error, "read the tables of", self.writer.path()))?;
        let Plan { changes, columns, rows: cells, refused, discarded, .. } = rows.plan(&known, batch)?;
        if !refused.is_empty() {
            return Ok(Inserted::Not(refused));
        }
        for change in &changes {
            table::change(connection, table, change)
                .map_err(|error| classify(error, "change a table of", self.writer.path()))?;
        }
        let insert = insert_statement(table, &columns, rows.key());
        let mut statement = connection.prepare_cached(&insert).map_err(|error| self.failed(error))?;
        let mut rejected = Vec::new();
        for (index, row) in cells.iter().enumerate() {
            let leaves_default = columns.iter().zip(row).any(leaves_default);
            let outcome = if leaves_default {
                self.write_with_defaults(connection, &columns, row)?
            } else {
                self.write_row(&mut statement, row)?
            };
            let Err(error) = outcome else { continue };
            rejected.push(Rejected { index, error });
            if connection.is_autocommit() {
                break;
            }
        }
        Ok(if rejected.is_empty() { Inserted::All(discarded) } else { Inserted::Not(rejected) })
    }

    /// Writes a row that leaves columns to their defaults, whatever the rows beside it have there.
    fn write_with_defaults(
        &self,
        connection: &Connection,
        columns: &[Column],
        row: &[Cell<'_>],
    ) -> Result<Result<(), Error>> {
        let written = columns.iter().zip(row).filter(|pair| !leaves_default(*pair));
        let (columns, row): (Vec<Column>, Vec<Cell<'_>>) =
            written.map(|(column, cell)| (column.clone(), cell.clone())).unzip();
        let insert = insert_statement(&self.destination.table, &columns, self.destination.rows.key());
        let mut statement = connection.prepare_cached(&insert).map_err(|error| self.failed(error))?;
        self.write_row(&mut statement, &row)
    }

    /// Writes one row; the inner error is the row's guilt.
    fn write_row(
        &self,
        statement: &mut rusqlite::CachedStatement<'_>,
        row: &[Cell<'_>],
    ) -> Result<Result<(), Error>> {
        match statement.execute(params_from_iter(row.iter().map(Bound))) {
            Ok(_) => Ok(Ok(())),
            Err(error) => {
                guilt_of_row(error, &self.destination.table).map(Err).map_err(|error| self.failed(error))
            }
        }
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        classify(error, "write to", self.writer.path())
    }

    /// Values that the contract left out are counted, and the first of each field is told.
    fn tell(&self, left_out: Vec<Discarded>) {
        let mut counts = self.discarded.lock().unwrap_or_else(PoisonError::into_inner);
        for Discarded { field, why, count } in left_out {
            if !counts.contains_key(&field) {
                tracing::warn!(
                    event = "value_discarded",
                    pipeline = %self.shard.pipeline,
                    component = %self.shard.sink,
                    %field,
                    "a value is left out, as `schema_contract: discard_value` says: {why}"
                );
            }
            *counts.entry(field).or_default() += count;
        }
    }

    /// How many values were left out, for the log of the end.
    pub(crate) fn summarize(&self) {
        for (field, values) in &*self.discarded.lock().unwrap_or_else(PoisonError::into_inner) {
            tracing::info!(
                event = "values_discarded",
                pipeline = %self.shard.pipeline,
                component = %self.shard.sink,
                %field,
                values,
                "values were left out"
            );
        }
    }
}

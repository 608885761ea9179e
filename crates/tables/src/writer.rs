//! The one entrance for a connector: events and a table in, a plan out.

use sluicebox_core::{Error, Rejected, Result};

use crate::batch::RowBatch;
use crate::cell::Cell;
use crate::column::{Column, Table};
use crate::dialect::Dialect;
use crate::evolution::{self, without_key};
use crate::layout::Layout;
use crate::options::SchemaContract;
use crate::plan::Plan;

/// Makes rows of events for one table. Pure: it keeps nothing between windows.
#[derive(Clone, Debug)]
pub struct TableWriter {
    layout: Layout,
    dialect: Dialect,
    contract: SchemaContract,
    key: Vec<String>,
    columns: Vec<Column>,
    /// Where the columns of the key stand among those of a fixed layout.
    key_places: Vec<usize>,
}

impl TableWriter {
    /// A writer; `key` is empty when rows are appended. See [`TableOptions::writer`](crate::TableOptions::writer).
    pub fn new(layout: Layout, dialect: Dialect, contract: SchemaContract, key: Vec<String>) -> Self {
        let columns = layout.columns();
        let place =
            |name: &String| columns.iter().position(|column| dialect.is_same_name(&column.name, name));
        let key_places = key.iter().filter_map(place).collect();
        Self { layout, dialect, contract, key, columns, key_places }
    }

    /// How events become rows.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rules of the database.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// What happens to events that do not fit.
    pub fn contract(&self) -> SchemaContract {
        self.contract
    }

    /// The columns that tell rows apart; empty when rows are appended.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// Whether a row replaces the one with its key.
    pub fn is_upsert(&self) -> bool {
        !self.key.is_empty()
    }

    /// Whether columns come from the events, so that the table has to be read before the first window.
    pub fn is_from_event(&self) -> bool {
        matches!(self.layout, Layout::FromEvent)
    }

    /// The columns of a table that is made before any event came; an existing table must have them.
    pub fn first_columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    /// Whether a table of these columns can be told apart by the key: all of it is there.
    pub fn has_key(&self, columns: &[Column]) -> bool {
        let has = |name: &String| columns.iter().any(|column| self.dialect.is_same_name(&column.name, name));
        !self.key.is_empty() && self.key.iter().all(has)
    }

    /// What `batch` needs of `table`, and its rows. `table` matters only where columns come from the events.
    ///
    /// # Errors
    /// `Config` if the contract is `freeze` and an event does not fit, or the table would get more columns than the
    /// database allows: nothing may be written, and the message says what to do.
    pub fn plan<'b>(&self, table: &Table, batch: &'b RowBatch<'_>) -> Result<Plan<'b>> {
        if self.is_from_event() {
            return evolution::plan(self, table, batch);
        }
        let mut plan = Plan { table: table.clone(), columns: self.columns.clone(), ..Plan::default() };
        for index in 0..batch.events().len() {
            match self.row(batch, index) {
                Ok(row) => plan.rows.push(row),
                Err(error) => plan.refused.push(Rejected { index, error }),
            }
        }
        Ok(plan)
    }

    /// The row of one event where the columns are fixed, as [`TableWriter::plan`] makes it: for connectors that insert
    /// one row after another.
    ///
    /// # Errors
    /// `Script` or `Permanent`: this event can never be a row.
    pub fn row<'b>(&self, batch: &'b RowBatch<'_>, index: usize) -> Result<Vec<Cell<'b>>, Error> {
        let row = self.layout.row(batch, index, &self.dialect)?;
        match self.key_places.iter().find(|place| row[**place] == Cell::Null) {
            Some(place) => Err(without_key(&self.columns[*place].name)),
            None => Ok(row),
        }
    }
}

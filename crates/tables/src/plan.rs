//! What has to happen to a table before a window can be written, and the rows.

use sluicebox_core::Rejected;

use crate::cell::Cell;
use crate::column::{Column, ColumnType, Table};

/// What one window needs. Changes and rows belong in one transaction.
#[derive(Debug, Default)]
pub struct Plan<'b> {
    /// What to change first, in this order.
    pub changes: Vec<Change>,
    /// The table once the changes are made; to be kept for the next window once the transaction is committed.
    pub table: Table,
    /// The columns that the rows write, in the order of their cells.
    pub columns: Vec<Column>,
    /// A row for each event that is not refused, in the order of the events; each has a cell for each of `columns`.
    pub rows: Vec<Vec<Cell<'b>>>,
    /// Events that can never be rows of this table. With any, nothing of the plan is to be done: the window comes
    /// again without them.
    pub refused: Vec<Rejected>,
    /// Values that the contract leaves out, by field.
    pub discarded: Vec<Discarded>,
}

/// One change of a table; each only adds to what it can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add a column that may be NULL.
    Add(Column),
    /// A column must hold more: `Integer` becomes `Number`.
    Widen {
        /// The column.
        column: String,
        /// What it holds now.
        from: ColumnType,
        /// What it has to hold.
        to: ColumnType,
    },
    /// The last column of the key was just added: rows are told apart by these columns from now on (a unique index).
    AddKey(Vec<String>),
}

/// Values of one field that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The field of the event.
    pub field: String,
    /// Why, as one clause: `the column `amount` holds integer, the value is text`.
    pub why: String,
    /// How many values.
    pub count: u64,
}

//! What a row holds: the default columns, those of `columns:`, or those that the events bring.

use std::borrow::Cow;

use sluicebox_core::{Error, Event, Timestamp};
use sluicebox_rules::Expression;

use crate::batch::RowBatch;
use crate::cell::{Cell, cell};
use crate::column::{Column, ColumnType};
use crate::dialect::Dialect;
use crate::number::exact_real;

/// How an event becomes a row.
#[derive(Clone, Debug)]
pub enum Layout {
    /// The envelope in columns, the event as JSON text.
    Default,
    /// What the pipeline file asks for, sorted by name.
    Columns(Vec<NamedExpression>),
    /// The envelope in columns, and a column for each top-level field of the event.
    FromEvent,
}

/// A column of `columns:`, compiled.
#[derive(Clone, Debug)]
pub struct NamedExpression {
    /// The column's name.
    pub name: String,
    /// What it holds; `None`: whatever the expression gives.
    pub holds: Option<ColumnType>,
    /// Its value.
    pub expression: Expression,
}

/// The columns of the default table; the underscore keeps those of the envelope apart from an event's own fields. All
/// but the last also stand in a table whose columns come from the events.
pub const DEFAULT_COLUMNS: [(&str, ColumnType); 9] = [
    ("_event_id", ColumnType::Text),
    ("_source", ColumnType::Text),
    ("_account", ColumnType::Text),
    ("_type", ColumnType::Text),
    ("_event_time", ColumnType::Timestamp),
    ("_received_at", ColumnType::Timestamp),
    ("_loaded_at", ColumnType::Timestamp),
    ("_pipeline", ColumnType::Text),
    ("event", ColumnType::Json),
];

/// How many of the default columns are about the envelope.
pub(crate) const ENVELOPE_COLUMNS: usize = DEFAULT_COLUMNS.len() - 1;

impl Layout {
    /// The columns that a table has when it is made here before any event came, in the order of the cells of
    /// [`Layout::row`].
    pub fn columns(&self) -> Vec<Column> {
        let fixed = |columns: &[(&str, ColumnType)]| {
            columns.iter().map(|(name, holds)| Column::new(*name, Some(*holds))).collect()
        };
        match self {
            Self::Default => fixed(&DEFAULT_COLUMNS),
            Self::FromEvent => fixed(&DEFAULT_COLUMNS[..ENVELOPE_COLUMNS]),
            Self::Columns(columns) => {
                columns.iter().map(|column| Column::new(&column.name, column.holds)).collect()
            }
        }
    }

    pub(crate) fn default_names() -> impl Iterator<Item = &'static str> {
        DEFAULT_COLUMNS.iter().map(|(name, _)| *name)
    }

    /// The cells of the event at `index`, one for each of [`Layout::columns`]: for `FromEvent` those of the envelope.
    ///
    /// # Errors
    /// `Script` or `Permanent`: this event can never be a row.
    pub fn row<'b>(
        &self,
        batch: &'b RowBatch<'_>,
        index: usize,
        dialect: &Dialect,
    ) -> Result<Vec<Cell<'b>>, Error> {
        match self {
            Self::Default => {
                let text = batch.text(index);
                if std::str::from_utf8(text).is_err() {
                    return Err(not_text());
                }
                let mut row = envelope(batch, index);
                row.push(Cell::SharedJson(text.clone()));
                Ok(row)
            }
            Self::FromEvent => Ok(envelope(batch, index)),
            Self::Columns(columns) => {
                let event = &batch.events()[index];
                columns.iter().map(|column| column.cell(event, dialect)).collect()
            }
        }
    }
}

pub(crate) fn not_text() -> Error {
    Error::permanent("the event is not UTF-8")
}

fn envelope<'b>(batch: &'b RowBatch<'_>, index: usize) -> Vec<Cell<'b>> {
    let meta = batch.events()[index].meta();
    let received = batch.received(index);
    let text = |text: &'b str| Cell::Text(Cow::Borrowed(text));
    let time =
        |time: Timestamp, text| Cell::Timestamp { microseconds: time.as_millis().saturating_mul(1000), text };
    let mut row = Vec::with_capacity(DEFAULT_COLUMNS.len());
    row.extend([
        text(&meta.id),
        text(&meta.source),
        text(&meta.account),
        text(&meta.event_type),
        time(meta.time, None),
        time(received.time, Some(&received.text)),
        time(batch.loaded_at.time, Some(&batch.loaded_at.text)),
        text(batch.pipeline),
    ]);
    row
}

impl NamedExpression {
    fn cell(&self, event: &Event, dialect: &Dialect) -> Result<Cell<'static>, Error> {
        let value = self
            .expression
            .evaluate(event)
            .map_err(|error| error.to_error(&format!("the column `{}` failed", self.name)))?;
        let refuse =
            |why: String| Error::permanent(format!("the column `{}` cannot be written: {why}", self.name));
        let cell = cell(value, self.holds).map_err(refuse)?;
        match &cell {
            Cell::Number(text) if !dialect.exact_numbers && exact_real(text).is_none() => {
                Err(refuse(format!("{} does not keep every digit of {text}", dialect.database)))
            }
            _ => Ok(cell),
        }
    }
}

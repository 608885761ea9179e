//! What a row holds: the default columns, or those of `columns:`.

use std::borrow::Cow;

use bytes::Bytes;
use rusqlite::types::{Null, ToSql, ToSqlOutput, ValueRef};
use sluicebox_core::{Error, Event, Timestamp};
use sluicebox_rules::Expression;

use crate::columns::{ColumnType, cell};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'e> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'e, str>),
    /// UTF-8 that was checked.
    SharedText(Bytes),
    Blob(Vec<u8>),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::from(Null),
            Self::Integer(number) => ToSqlOutput::from(*number),
            Self::Real(number) => ToSqlOutput::from(*number),
            Self::Text(text) => ToSqlOutput::from(text.as_ref()),
            Self::SharedText(text) => ToSqlOutput::Borrowed(ValueRef::Text(text)),
            Self::Blob(bytes) => ToSqlOutput::from(bytes.as_slice()),
        })
    }
}

/// A column of `columns:`, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) holds: Option<ColumnType>,
    pub(crate) expression: Expression,
}

/// How an event becomes a row.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// The envelope in columns, the event as JSON text.
    Default,
    /// What the pipeline file asks for, sorted by name.
    Columns(Vec<Column>),
}

/// The default columns; all hold text, the underscore keeps them apart from an event's own fields in a query.
const DEFAULT_COLUMNS: [&str; 9] = [
    "_event_id",
    "_source",
    "_account",
    "_type",
    "_event_time",
    "_received_at",
    "_loaded_at",
    "_pipeline",
    "event",
];

impl Layout {
    /// Names and declared types, in the order of the cells; no type where any value may stand.
    pub(crate) fn columns(&self) -> Vec<(&str, Option<&'static str>)> {
        match self {
            Self::Default => DEFAULT_COLUMNS.iter().map(|name| (*name, Some("TEXT"))).collect(),
            Self::Columns(columns) => columns
                .iter()
                .map(|column| (column.name.as_str(), column.holds.map(ColumnType::declared)))
                .collect(),
        }
    }

    /// The cells of an event.
    ///
    /// # Errors
    /// `Script` or `Permanent`: this event can never be a row.
    pub(crate) fn row<'e>(
        &self,
        event: &'e Event,
        load: &'e Load,
        received: &'e Received,
    ) -> Result<Vec<Cell<'e>>, Error> {
        match self {
            Self::Default => default_row(event, load, received),
            Self::Columns(columns) => columns.iter().map(|column| column.cell(event)).collect(),
        }
    }
}

/// What all rows of one transaction share.
pub(crate) struct Load {
    pub(crate) pipeline: String,
    pub(crate) loaded_at: String,
}

/// When an event was received, as text: events of one page share it, so it is written once for them.
#[derive(Default)]
pub(crate) struct Received {
    time: Timestamp,
    text: String,
}

impl Received {
    /// Stands at the time of this event.
    pub(crate) fn at(&mut self, event: &Event) {
        let time = event.meta().received;
        if self.text.is_empty() || self.time != time {
            *self = Self { time, text: time.to_string() };
        }
    }
}

fn default_row<'e>(event: &'e Event, load: &'e Load, received: &'e Received) -> Result<Vec<Cell<'e>>, Error> {
    let meta = event.meta();
    let json = event.json();
    if std::str::from_utf8(&json).is_err() {
        return Err(Error::permanent("the event is not UTF-8"));
    }
    let text = |text: &'e str| Cell::Text(Cow::Borrowed(text));
    Ok(vec![
        text(&meta.id),
        text(&meta.source),
        text(&meta.account),
        text(&meta.event_type),
        Cell::Text(Cow::Owned(meta.time.to_string())),
        text(&received.text),
        text(&load.loaded_at),
        text(&load.pipeline),
        Cell::SharedText(json),
    ])
}

impl Column {
    fn cell(&self, event: &Event) -> Result<Cell<'static>, Error> {
        let value = self
            .expression
            .evaluate(event)
            .map_err(|error| error.to_error(&format!("the column `{}` failed", self.name)))?;
        cell(value, self.holds)
            .map_err(|why| Error::permanent(format!("the column `{}` cannot be written: {why}", self.name)))
    }
}

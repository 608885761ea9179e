//! Rows and changes for a table whose columns come from the events.
//!
//! Invariant: every value of every row stands in exactly one column, from which it can be read back as it was; a value
//! that is nowhere is one that the contract told to leave out, and it is counted.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use sluicebox_core::{Error, ErrorClass, Rejected, Result, object_fields};

use crate::batch::RowBatch;
use crate::cell::Cell;
use crate::column::{Column, ColumnType, Table};
use crate::fit::Found;
use crate::layout::not_text;
use crate::naming::{column_name, variant_name};
use crate::options::SchemaContract;
use crate::plan::{Change, Discarded, Plan};
use crate::writer::TableWriter;

/// The columns of a table while a window is fitted into it.
struct Evolution<'w> {
    writer: &'w TableWriter,
    table: Table,
    /// Where the column of each field stands that was met.
    places: HashMap<String, usize>,
    changes: Vec<Change>,
    discarded: Vec<Discarded>,
}

/// Cells with the place of their column.
type Sparse<'b> = Vec<(usize, Cell<'b>)>;

/// Why a value is in no column.
enum Refusal {
    /// The event cannot be a row.
    Event(String),
    /// The contract allows no change, and without one it does not fit: why.
    Contract(String),
    /// The sink cannot go on.
    Stop(Error),
}

/// The plan for a window.
pub(crate) fn plan<'b>(writer: &TableWriter, table: &Table, batch: &'b RowBatch<'_>) -> Result<Plan<'b>> {
    let mut evolution = Evolution {
        writer,
        table: table.clone(),
        places: HashMap::new(),
        changes: Vec::new(),
        discarded: Vec::new(),
    };
    let envelope = evolution.envelope_places()?;
    let (mut rows, mut refused) = (Vec::with_capacity(batch.events().len()), Vec::new());
    for index in 0..batch.events().len() {
        match evolution.row(batch, index, &envelope)? {
            Ok(row) => rows.push(row),
            Err(error) => refused.push(Rejected { index, error }),
        }
    }
    Ok(evolution.finish(table, rows, refused))
}

impl Evolution<'_> {
    /// Where the columns of the envelope stand, in their order.
    fn envelope_places(&self) -> Result<Vec<usize>> {
        let dialect = self.writer.dialect();
        let place = |wanted: Column| {
            let found =
                self.table.columns.iter().position(|column| dialect.is_same_name(&column.name, &wanted.name));
            found.ok_or_else(|| Error::config(format!("the table has no column `{}`", wanted.name)))
        };
        self.writer.first_columns().into_iter().map(place).collect()
    }

    /// The cells of one event; the inner error refuses the event, the outer one the window.
    fn row<'b>(
        &mut self,
        batch: &'b RowBatch<'_>,
        index: usize,
        envelope: &[usize],
    ) -> Result<Result<Sparse<'b>>> {
        let Ok(text) = std::str::from_utf8(batch.text(index)) else { return Ok(Err(not_text())) };
        let fields = match object_fields(text) {
            Ok(fields) => last_of_each(fields),
            Err(error) => {
                return Ok(Err(Error::permanent("the event is not a JSON object").with_cause(error)));
            }
        };
        let cells = self.writer.layout().row(batch, index, self.writer.dialect())?;
        let mut row: Sparse<'b> = envelope.iter().copied().zip(cells).collect();
        for (field, value) in fields {
            match self.place(&field, value) {
                Ok(None) => {}
                Ok(Some((place, _))) if row.iter().any(|(taken, _)| *taken == place) => {
                    let why =
                        format!("two of its fields lead to the column `{}`", self.table.columns[place].name);
                    return Ok(Err(validation(&field, &why)));
                }
                Ok(Some(cell)) => row.push(cell),
                Err(Refusal::Event(why)) => return Ok(Err(validation(&field, &why))),
                Err(Refusal::Stop(error)) => return Err(error),
                Err(Refusal::Contract(why)) => match self.writer.contract() {
                    SchemaContract::DiscardValue => self.discard(field, why),
                    SchemaContract::DiscardRow => return Ok(Err(validation(&field, &why))),
                    SchemaContract::Evolve | SchemaContract::Freeze => {
                        return Err(frozen(&field, &why, &batch.events()[index].meta().id));
                    }
                },
            }
        }
        Ok(self.with_key(row))
    }

    /// The cell of a value and the place of its column, which is added if need be; `None` is `null`.
    fn place<'b>(&mut self, field: &str, value: &'b RawValue) -> Result<Option<(usize, Cell<'b>)>, Refusal> {
        let dialect = self.writer.dialect();
        let Some(found) = Found::read(value, dialect).map_err(Refusal::Event)? else { return Ok(None) };
        let place = match self.place_of(field) {
            Ok(place) => place,
            Err(name) => {
                let why = || format!("the table has no column for it, and the value is {}", found.kind());
                let column = Column::new(name, Some(found.holds()));
                return self.add(column, &found, why).map(Some);
            }
        };
        let holds = self.table.columns[place].holds;
        if let Some(cell) = found.cell(holds) {
            return Ok(Some((place, cell)));
        }
        if holds == Some(ColumnType::Integer) && found.is_number() && self.evolves() {
            self.widen(place);
            return Ok(found.cell(Some(ColumnType::Number)).map(|cell| (place, cell)));
        }
        let name = self.table.columns[place].name.clone();
        let held = holds.map_or("anything", ColumnType::as_str);
        let why = || format!("its column `{name}` holds {held}, and the value is {}", found.kind());
        if self.writer.key().iter().any(|key| dialect.is_same_name(key, &name)) {
            return Err(Refusal::Event(format!("{}; a key has one column", why())));
        }
        for holds in [found.variant(), ColumnType::Json] {
            let variant = variant_name(&name, holds, dialect);
            let is_there = |column: &Column| dialect.is_same_name(&column.name, &variant);
            let Some(place) = self.table.columns.iter().position(is_there) else {
                return self.add(Column::new(variant, Some(holds)), &found, why).map(Some);
            };
            if let Some(cell) = found.cell(self.table.columns[place].holds) {
                return Ok(Some((place, cell)));
            }
        }
        Err(Refusal::Event(format!("{}; neither do the columns beside it take it", why())))
    }

    fn evolves(&self) -> bool {
        self.writer.contract() == SchemaContract::Evolve
    }

    /// Where the column of a field stands, or what it is to be called.
    fn place_of(&mut self, field: &str) -> Result<usize, String> {
        if let Some(place) = self.places.get(field) {
            return Ok(*place);
        }
        let columns = self.table.columns.iter().map(|column| column.name.as_str());
        let name = column_name(field, columns, self.writer.dialect());
        let Some(place) = self.table.position(&name) else { return Err(name) };
        self.places.insert(field.to_owned(), place);
        Ok(place)
    }

    /// Adds a column that is made for a value.
    fn add<'b>(
        &mut self,
        column: Column,
        found: &Found<'b>,
        why: impl Fn() -> String,
    ) -> Result<(usize, Cell<'b>), Refusal> {
        if !self.evolves() {
            return Err(Refusal::Contract(why()));
        }
        let dialect = self.writer.dialect();
        let Some(cell) = found.cell(column.holds) else { return Err(Refusal::Event(why())) };
        if self.table.columns.len() >= dialect.max_columns {
            let message = format!(
                "the column `{}` would be one more than the {} that a table of {} may have",
                column.name, dialect.max_columns, dialect.database
            );
            let help =
                "name the columns that matter under `columns`, or set `schema_contract: discard_value`";
            return Err(Refusal::Stop(Error::config(message).with_help(help)));
        }
        let place = self.table.columns.len();
        self.changes.push(Change::Add(column.clone()));
        self.table.columns.push(column);
        Ok((place, cell))
    }

    fn widen(&mut self, place: usize) {
        let (from, to) = (ColumnType::Integer, ColumnType::Number);
        let column = &mut self.table.columns[place];
        column.holds = Some(to);
        let is_new = |change: &&mut Change| matches!(change, Change::Add(added) if added.name == column.name);
        match self.changes.iter_mut().find(is_new) {
            Some(Change::Add(added)) => added.holds = Some(to),
            _ => self.changes.push(Change::Widen { column: column.name.clone(), from, to }),
        }
    }

    fn discard(&mut self, field: String, why: String) {
        match self.discarded.iter_mut().find(|discarded| discarded.field == field) {
            Some(discarded) => discarded.count += 1,
            None => self.discarded.push(Discarded { field, why, count: 1 }),
        }
    }

    /// The row if it has its key.
    fn with_key<'b>(&self, row: Sparse<'b>) -> Result<Sparse<'b>, Error> {
        let dialect = self.writer.dialect();
        let has = |key: &&String| {
            row.iter().any(|(place, cell)| {
                *cell != Cell::Null && dialect.is_same_name(&self.table.columns[*place].name, key)
            })
        };
        match self.writer.key().iter().find(|key| !has(key)) {
            Some(key) => Err(without_key(key)),
            None => Ok(row),
        }
    }

    /// The plan: rows get a cell for each column that any of them writes.
    fn finish<'b>(mut self, before: &Table, rows: Vec<Sparse<'b>>, refused: Vec<Rejected>) -> Plan<'b> {
        if !self.writer.has_key(&before.columns) && self.writer.has_key(&self.table.columns) {
            self.changes.push(Change::AddKey(self.writer.key().to_vec()));
        }
        let used: HashSet<usize> = rows.iter().flatten().map(|(place, _)| *place).collect();
        let whole = self.writer.is_upsert();
        let is_written =
            |place: usize, column: &Column| used.contains(&place) || (whole && !column.has_default);
        let mut targets = vec![None; self.table.columns.len()];
        let mut columns = Vec::new();
        for (place, column) in self.table.columns.iter().enumerate() {
            if is_written(place, column) {
                targets[place] = Some(columns.len());
                columns.push(column.clone());
            }
        }
        let dense = |sparse: Sparse<'b>| {
            let mut row = vec![Cell::Null; columns.len()];
            for (place, cell) in sparse {
                if let Some(target) = targets[place] {
                    row[target] = cell;
                }
            }
            row
        };
        let rows = rows.into_iter().map(dense).collect();
        let Self { table, changes, discarded, .. } = self;
        Plan { changes, table, columns, rows, refused, discarded }
    }
}

/// The last value of each field, in the order of the event: that is what a reader of JSON with repeated names gets.
fn last_of_each(mut fields: Vec<(String, &RawValue)>) -> Vec<(String, &RawValue)> {
    let mut seen = HashSet::with_capacity(fields.len());
    let keep: Vec<bool> = fields.iter().rev().map(|(name, _)| seen.insert(name.as_str())).collect();
    if keep.iter().all(|keep| *keep) {
        return fields;
    }
    let mut keep = keep.into_iter().rev();
    fields.retain(|_| keep.next().unwrap_or(true));
    fields
}

/// A row that cannot be told from others.
pub(crate) fn without_key(key: &str) -> Error {
    Error::permanent(format!("the event has nothing for `{key}`, which is in the key of the table"))
        .with_reason("validation")
}

fn validation(field: &str, why: &str) -> Error {
    Error::permanent(format!("the field `{field}` does not fit the table: {why}")).with_reason("validation")
}

fn frozen(field: &str, why: &str, event: &str) -> Error {
    let message = format!("the field `{field}` of the event {event} does not fit the frozen table: {why}");
    Error::new(ErrorClass::Config, message).with_help(
        "change the table by hand and start again, or set `schema_contract` to `evolve` (let the table grow), \
         `discard_row` (make such events dead letters) or `discard_value` (leave such values out)",
    )
}

//! Tables that grow with the events: whatever comes in whatever order is read back as it was, and a contract is kept.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use sluicebox_core::{DeadLetter, ErrorClass, Event, Meta, Reason, Timestamp};
use sluicebox_tables::{
    Cell, Change, Column, ColumnType, Dialect, Layout, Plan, RowBatch, SchemaContract, Table, TableWriter,
};

fn event(number: usize, json: &str) -> Event {
    let meta = Meta {
        event_type: "t".into(),
        time: Timestamp::from_millis(1),
        key: "k".into(),
        received: Timestamp::from_millis(2),
        ..Meta::new("feed", "a", format!("feed:a:{number}"))
    };
    Event::parse(&Bytes::from(json.to_owned()), meta).unwrap()
}

fn events(texts: &[&str]) -> Vec<Event> {
    texts.iter().enumerate().map(|(number, text)| event(number, text)).collect()
}

fn writer(contract: SchemaContract, dialect: Dialect, key: &[&str]) -> TableWriter {
    TableWriter::new(Layout::FromEvent, dialect, contract, key.iter().map(|&name| name.to_owned()).collect())
}

fn fresh(writer: &TableWriter) -> Table {
    Table { columns: writer.first_columns() }
}

/// A table of a database that only knows names and texts.
struct Stored {
    table: Table,
    rows: Vec<BTreeMap<String, Read>>,
}

/// A stored value, as its column and a reader tell it.
#[derive(Debug, PartialEq)]
enum Read {
    Boolean(bool),
    Number(String),
    Text(String),
    Json(String),
}

impl Stored {
    fn new(writer: &TableWriter) -> Self {
        Self { table: fresh(writer), rows: Vec::new() }
    }

    /// Makes the changes one by one and inserts the rows, as a database would.
    fn apply(&mut self, plan: Plan<'_>, dialect: &Dialect) {
        assert!(plan.refused.is_empty(), "{:?}", plan.refused);
        for change in plan.changes {
            match change {
                Change::Add(column) => {
                    let is_there = |known: &Column| dialect.is_same_name(&known.name, &column.name);
                    assert!(!self.table.columns.iter().any(is_there), "{column:?} is there");
                    assert!(column.name.len() <= dialect.name_bytes && !column.name.contains('\0'));
                    self.table.columns.push(column);
                }
                Change::Widen { column, from, to } => {
                    let place = self.table.position(&column).unwrap();
                    assert_eq!((self.table.columns[place].holds, to), (Some(from), ColumnType::Number));
                    self.table.columns[place].holds = Some(to);
                }
                Change::AddKey(_) => {}
            }
        }
        assert_eq!(self.table, plan.table);
        for row in plan.rows {
            assert_eq!(row.len(), plan.columns.len());
            let cells = plan.columns.iter().zip(row).filter_map(|(column, cell)| {
                assert_eq!(self.table.columns[self.table.position(&column.name).unwrap()], *column);
                Some((column.name.clone(), read(&cell, column.holds)?))
            });
            self.rows.push(cells.collect());
        }
    }
}

fn read(cell: &Cell<'_>, holds: Option<ColumnType>) -> Option<Read> {
    let text = cell.to_text()?.into_owned();
    Some(match (cell, holds) {
        (Cell::Boolean(value), Some(ColumnType::Boolean)) => Read::Boolean(*value),
        (Cell::Integer(_), Some(ColumnType::Integer | ColumnType::Number))
        | (Cell::Number(_), Some(ColumnType::Number)) => Read::Number(text),
        (Cell::Text(_), Some(ColumnType::Text)) | (Cell::Timestamp { .. }, Some(ColumnType::Timestamp)) => {
            Read::Text(text)
        }
        (Cell::Json(_) | Cell::SharedJson(_), Some(ColumnType::Json)) => Read::Json(text),
        other => unreachable!("a cell in the wrong column: {other:?}"),
    })
}

/// What a reader has to find for a value as it is written in the event, unless its column holds JSON anyway; a number
/// that the database does not keep digit for digit is text.
fn expected(raw: &str, dialect: &Dialect) -> Option<Read> {
    let is_number = raw.starts_with(['-', '0', '1', '2', '3']);
    let is_kept = !raw.contains("e999") && (dialect.exact_numbers || raw.len() < 19);
    Some(match serde_json::from_str(raw) {
        Ok(Value::Null) => return None,
        Ok(Value::Bool(value)) => Read::Boolean(value),
        Ok(Value::String(text)) => Read::Text(text),
        _ if is_number && is_kept => Read::Number(raw.to_owned()),
        _ if is_number => Read::Text(raw.to_owned()),
        _ => Read::Json(raw.to_owned()),
    })
}

const FIELDS: [&str; 12] = [
    "a",
    "A",
    "b",
    "a__text",
    "a__number",
    "_event_id",
    "",
    "rowid",
    "n\0",
    "event",
    "a-field-whose-name-is-longer-than-sixty-three-bytes-and-ends-in-one-1",
    "a-field-whose-name-is-longer-than-sixty-three-bytes-and-ends-in-one-2",
];

/// Values of every kind; `#` becomes a number that no other value of the row has, so that a value tells its field.
const VALUES: [&str; 15] = [
    "null",
    "#",
    "-#",
    "#.5",
    "0.10#",
    "18446744073709551#",
    "3.14159265358979323#",
    "#e999999",
    "#e99",
    "\"#\"",
    "\"\\u65e5 it's #\"",
    "[#, {\"x\":null}]",
    "{ \"\": # }",
    "\"2026-06-12T10:00:00.000#Z\"",
    "\"\\ud800 #\"",
];

/// A small generator of numbers (xorshift), so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (most as u64)).unwrap()
    }

    /// Fields with values as they are written; at most one is true or false.
    fn event(&mut self) -> Vec<(&'static str, String)> {
        let switch = self.below(3 * FIELDS.len());
        let mut fields = Vec::new();
        for (index, field) in FIELDS.into_iter().enumerate() {
            if index == switch {
                fields.push((field, (self.below(2) == 0).to_string()));
            } else if self.below(3) == 0 {
                let value = VALUES[self.below(VALUES.len())];
                fields.push((field, value.replace('#', &(101 + 9 * index).to_string())));
            }
        }
        fields
    }
}

fn json(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn every_value_is_read_back_whatever_the_order_of_arrival() {
    for (seed, dialect) in (1..=120).zip([Dialect::SQLITE, Dialect::POSTGRES].into_iter().cycle()) {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        let arrived: Vec<_> = (0..40).map(|_| dice.event()).collect();
        let writer = writer(SchemaContract::Evolve, dialect.clone(), &[]);
        let mut stored = Stored::new(&writer);
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            let (window, after) = rest.split_at((1 + dice.below(7)).min(rest.len()));
            let events: Vec<Event> = window.iter().map(|fields| event(0, &json(fields))).collect();
            let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
            let plan = writer.plan(&stored.table.clone(), &batch).unwrap();
            stored.apply(plan, &dialect);
            rest = after;
        }
        let envelope = writer.first_columns();
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for (fields, mut row) in arrived.iter().zip(stored.rows) {
            row.retain(|name, _| !envelope.iter().any(|column| column.name == *name));
            for (field, raw) in fields {
                let Some(expected) = expected(raw, &dialect) else { continue };
                let is_it = |value: &Read| *value == expected || *value == Read::Json(raw.clone());
                let found = row.iter().find(|(_, value)| is_it(value)).map(|(name, _)| name.clone());
                let name = found.unwrap_or_else(|| panic!("{seed} {field:?}: {expected:?} in {row:?}"));
                row.remove(&name);
                let owner = owners.entry(name).or_insert(field);
                assert_eq!(owner, field, "{seed}: two fields share a column");
            }
            assert!(row.is_empty(), "{seed}: {row:?} came from nowhere");
        }
    }
}

#[test]
fn nothing_but_null_adds_no_column_and_the_last_of_equal_names_wins() {
    let writer = writer(SchemaContract::Evolve, Dialect::SQLITE, &[]);
    let events = events(&[r#"{"a": null}"#, r#"{"b": "x", "b": 2, "b": 3}"#]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    let plan = writer.plan(&fresh(&writer), &batch).unwrap();
    assert_eq!(plan.changes, [Change::Add(Column::new("b", Some(ColumnType::Integer)))]);
    assert_eq!(plan.columns.last().unwrap().name, "b");
    let last: Vec<_> = plan.rows.iter().map(|row| row.last().unwrap().clone()).collect();
    assert_eq!(last, [Cell::Null, Cell::Integer(3)]);
}

/// A table with `amount` as an integer.
fn grown(writer: &TableWriter) -> Table {
    let mut table = fresh(writer);
    table.columns.push(Column::new("amount", Some(ColumnType::Integer)));
    table
}

#[test]
fn an_integer_column_is_widened_once_and_other_types_get_a_column_beside_it() {
    let writer = writer(SchemaContract::Evolve, Dialect::POSTGRES, &[]);
    let events = events(&[
        r#"{"amount": 1.5}"#,
        r#"{"amount": 2.5}"#,
        r#"{"amount": "three"}"#,
        r#"{"amount": [4]}"#,
        r#"{"amount": 5}"#,
    ]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    let plan = writer.plan(&grown(&writer), &batch).unwrap();
    assert_eq!(
        plan.changes,
        [
            Change::Widen { column: "amount".into(), from: ColumnType::Integer, to: ColumnType::Number },
            Change::Add(Column::new("amount__text", Some(ColumnType::Text))),
            Change::Add(Column::new("amount__json", Some(ColumnType::Json))),
        ]
    );
    let again = writer.plan(&plan.table, &batch).unwrap();
    assert!(again.changes.is_empty());
}

#[test]
fn a_frozen_table_stops_the_sink_and_says_why() {
    let writer = writer(SchemaContract::Freeze, Dialect::SQLITE, &[]);
    for (json, expected) in [
        (r#"{"amount": "x"}"#, "its column `amount` holds integer, and the value is text"),
        (r#"{"amount": 1.5}"#, "its column `amount` holds integer, and the value is number"),
        (r#"{"note": true}"#, "the table has no column for it, and the value is boolean"),
    ] {
        let events = [event(0, r#"{"amount": 1}"#), event(7, json)];
        let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
        let error = writer.plan(&grown(&writer), &batch).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
        let message = error.to_string();
        assert!(message.contains(expected) && message.contains("the event feed:a:7"), "{message}");
        assert!(error.help().unwrap().contains("discard_row"));
    }
    let events = events(&[r#"{"amount": 1, "gone": null}"#]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    assert_eq!(writer.plan(&grown(&writer), &batch).unwrap().rows.len(), 1);
}

#[test]
fn what_does_not_fit_is_discarded_as_a_row_or_as_a_value() {
    let events = events(&[r#"{"amount": 1}"#, r#"{"amount": "x", "note": 1}"#, r#"{"amount": "y"}"#]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    let rows = writer(SchemaContract::DiscardRow, Dialect::SQLITE, &[]);
    let plan = rows.plan(&grown(&rows), &batch).unwrap();
    assert_eq!(plan.refused.iter().map(|refused| refused.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(DeadLetter::reason_of(&plan.refused[0].error), Reason::Validation);
    assert_eq!(plan.rows.len(), 1);
    let values = writer(SchemaContract::DiscardValue, Dialect::SQLITE, &[]);
    let plan = values.plan(&grown(&values), &batch).unwrap();
    assert_eq!((plan.rows.len(), plan.changes.len()), (3, 0));
    let discarded: Vec<_> = plan.discarded.iter().map(|left| (left.field.as_str(), left.count)).collect();
    assert_eq!(discarded, [("amount", 2), ("note", 1)]);
}

#[test]
fn a_row_without_its_key_is_refused_and_an_upsert_writes_whole_rows() {
    let writer = writer(SchemaContract::Evolve, Dialect::POSTGRES, &["id"]);
    let events = events(&[r#"{"id": 1, "a": 1}"#, r#"{"id": null}"#, r#"{"id": "1"}"#]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    let plan = writer.plan(&fresh(&writer), &batch).unwrap();
    let refused: Vec<_> = plan.refused.iter().map(|refused| refused.error.to_string()).collect();
    assert_eq!(refused[0], "the event has nothing for `id`, which is in the key of the table");
    assert!(refused[1].ends_with("a key has one column"), "{refused:?}");
    assert_eq!(plan.changes.last(), Some(&Change::AddKey(vec!["id".into()])));
    let fewer = [event(0, r#"{"id": 1}"#)];
    let batch = RowBatch::new(&fewer, "p", Timestamp::from_millis(3));
    let next = writer.plan(&plan.table, &batch).unwrap();
    assert_eq!(next.columns, plan.table.columns);
    assert_eq!(next.rows[0].last(), Some(&Cell::Null));
    assert!(next.changes.is_empty());
}

#[test]
fn a_table_that_cannot_grow_any_more_stops_the_sink() {
    let dialect = Dialect { max_columns: 9, ..Dialect::SQLITE };
    let writer = writer(SchemaContract::Evolve, dialect, &[]);
    let events = events(&[r#"{"a": 1, "b": 2}"#]);
    let batch = RowBatch::new(&events, "p", Timestamp::from_millis(3));
    let error = writer.plan(&fresh(&writer), &batch).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.to_string().contains("the column `b` would be one more than the 9"), "{error}");
}

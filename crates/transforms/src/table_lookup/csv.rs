//! CSV files as tables.
//!
//! Invariant: every line has as many cells as the first; a number is passed on with the digits that it has.

use std::borrow::Cow;

use csv::{Error, ErrorKind, ReaderBuilder, StringRecord};
use serde_json::value::RawValue;

use super::fault::Fault;
use super::table::{Builder, Table};
use super::{CellType, TableLookup};

/// Excel writes it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the columns that matter stand.
struct Plan {
    keys: Vec<usize>,
    /// The beginning of each member of a row (`"name":`), its column and type.
    kept: Vec<(String, usize, CellType)>,
}

pub(super) fn read(options: &TableLookup, text: &[u8]) -> Result<Table, Fault> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let tab = if options.file.to_ascii_lowercase().ends_with(".tsv") { '\t' } else { ',' };
    let delimiter = u8::try_from(options.delimiter.unwrap_or(tab)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text);
    let header = reader.headers().map_err(|error| fault(&error))?.clone();
    let plan = Plan::new(options, &header).map_err(|fault| fault.at(1))?;
    let mut builder = Builder::new(options);
    let mut record = StringRecord::new();
    let mut row = Vec::new();
    while reader.read_record(&mut record).map_err(|error| fault(&error))? {
        let line = record.position().map_or(0, csv::Position::line);
        plan.write(&record, &mut row).map_err(|fault| fault.at(line))?;
        let key: Vec<Option<Cow<'_, str>>> =
            plan.keys.iter().map(|column| record.get(*column).map(Cow::Borrowed)).collect();
        builder.add(&key, &row).map_err(|fault| fault.at(line))?;
    }
    Ok(builder.finish())
}

impl Plan {
    fn new(options: &TableLookup, header: &StringRecord) -> Result<Self, Fault> {
        if header.is_empty() {
            return Err(Fault::new("the file is empty").with_help("its first line names the columns"));
        }
        if let Some(twice) =
            header.iter().enumerate().find(|(at, name)| header.iter().take(*at).any(|n| n == *name))
        {
            return Err(Fault::new(format!("there are two columns `{}`", twice.1)));
        }
        let place = |column: &str| {
            header
                .iter()
                .position(|name| name == column)
                .ok_or_else(|| Fault::no_column(column, header.iter()))
        };
        for column in options.types.keys() {
            place(column)?;
        }
        let keys = options
            .key
            .iter()
            .flat_map(|key| &key.0)
            .map(|column| place(column))
            .collect::<Result<_, _>>()?;
        let kept: Vec<usize> = match &options.columns {
            Some(columns) => columns.iter().map(|column| place(column)).collect::<Result<_, _>>()?,
            None => (0..header.len()).collect(),
        };
        let member = |column: usize| {
            let name = header.get(column).unwrap_or_default();
            let holds = options.types.get(name).copied().unwrap_or(CellType::Text);
            (format!("{}:", serde_json::Value::from(name)), column, holds)
        };
        Ok(Self { keys, kept: kept.into_iter().map(member).collect() })
    }

    /// Writes a row as a JSON object.
    fn write(&self, record: &StringRecord, row: &mut Vec<u8>) -> Result<(), Fault> {
        row.clear();
        row.push(b'{');
        for (at, (member, column, holds)) in self.kept.iter().enumerate() {
            if at > 0 {
                row.push(b',');
            }
            row.extend_from_slice(member.as_bytes());
            let cell = record.get(*column).unwrap_or_default();
            row.extend_from_slice(json(cell, *holds).map_err(|fault| named(fault, member))?.as_bytes());
        }
        row.push(b'}');
        Ok(())
    }
}

fn json(cell: &str, holds: CellType) -> Result<Cow<'_, str>, Fault> {
    let expected = |what: &str| Fault::new(format!("expected {what}, found `{cell}`"));
    let trimmed = cell.trim();
    match holds {
        CellType::Text => Ok(Cow::Owned(serde_json::Value::from(cell).to_string())),
        CellType::Number | CellType::Boolean if trimmed.is_empty() => Ok(Cow::Borrowed("null")),
        CellType::Number => {
            let begins_well = trimmed.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let is_number = begins_well && serde_json::from_str::<&RawValue>(trimmed).is_ok();
            if is_number { Ok(Cow::Borrowed(trimmed)) } else { Err(expected("a number")) }
        }
        CellType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok(Cow::Borrowed("true")),
            "false" => Ok(Cow::Borrowed("false")),
            _ => Err(expected("true or false")),
        },
    }
}

/// The fault with the name of its column, as it stands in `"name":`.
fn named(fault: Fault, member: &str) -> Fault {
    let name = member.trim_end_matches(':').trim_matches('"');
    Fault { message: format!("`{name}`: {}", fault.message), ..fault }
}

fn fault(error: &Error) -> Fault {
    let line = error.position().map(csv::Position::line);
    let fault = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Fault::new(format!("expected {expected_len} cells, found {len}"))
                .with_help("a cell that holds the delimiter or a line break stands in double quotes")
        }
        ErrorKind::Utf8 { err, .. } => Fault::new(format!("cell {} is not UTF-8 text", err.field() + 1)),
        _ => Fault::new(error.to_string()),
    };
    line.into_iter().fold(fault, Fault::at)
}

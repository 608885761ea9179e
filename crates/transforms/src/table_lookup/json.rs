//! JSON files as tables: an array of objects, an object of objects, or one object a line.
//!
//! Invariant: a row that is kept whole keeps its bytes (line breaks between tokens become spaces).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use sluicebox_lookups::{key_text, select};

use super::TableLookup;
use super::fault::Fault;
use super::table::{Builder, Table};

type Members<'t> = BTreeMap<Cow<'t, str>, &'t RawValue>;

/// An array of objects, or an object of objects.
pub(super) fn read(options: &TableLookup, text: &[u8]) -> Result<Table, Fault> {
    let mut builder = Builder::new(options);
    let whole: &RawValue = serde_json::from_slice(text).map_err(|error| not_json(&error, 0))?;
    let place = |row: &RawValue| line_of(text, row);
    match whole.get().as_bytes().first() {
        Some(b'[') => {
            for row in
                serde_json::from_str::<Vec<&RawValue>>(whole.get()).map_err(|error| not_json(&error, 0))?
            {
                add(&mut builder, options, row, None).map_err(|fault| fault.at(place(row)))?;
            }
        }
        Some(b'{') => {
            let rows: Members<'_> = serde_json::from_str(whole.get()).map_err(|error| not_json(&error, 0))?;
            for (name, row) in rows {
                add(&mut builder, options, row, Some(&name)).map_err(|fault| fault.at(place(row)))?;
            }
        }
        _ => return Err(Fault::new("expected an array of objects, or an object of objects").at(1)),
    }
    Ok(builder.finish())
}

/// One object a line; empty lines are passed over.
pub(super) fn read_lines(options: &TableLookup, text: &[u8]) -> Result<Table, Fault> {
    let mut builder = Builder::new(options);
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row: &RawValue = serde_json::from_slice(line).map_err(|error| not_json(&error, number))?;
        add(&mut builder, options, row, None).map_err(|fault| fault.at(number))?;
    }
    Ok(builder.finish())
}

fn add(
    builder: &mut Builder<'_>,
    options: &TableLookup,
    row: &RawValue,
    name: Option<&str>,
) -> Result<(), Fault> {
    if !row.get().starts_with('{') {
        return Err(
            Fault::new("expected an object").with_help("each row is one, with its columns as members")
        );
    }
    let members: Members<'_> = serde_json::from_str(row.get()).map_err(|error| not_json(&error, 0))?;
    let key = match (&options.key, name) {
        (Some(key), _) => key.0.iter().map(|column| part(&members, column)).collect::<Result<Vec<_>, _>>()?,
        (None, Some(name)) => vec![Some(Cow::Borrowed(name))],
        (None, None) => {
            let fault = Fault::new("the rows of an array have no names");
            return Err(fault.with_help("add `key:`, the column whose value tells rows apart"));
        }
    };
    builder.add(&key, &kept(options, row, &members)?)
}

/// One part of the key of a row.
fn part(members: &Members<'_>, column: &str) -> Result<Option<Cow<'static, str>>, Fault> {
    let Some(raw) = members.get(column) else {
        return Err(Fault::no_column(column, members.keys().map(AsRef::as_ref)));
    };
    let value: Value = serde_json::from_str(raw.get()).map_err(|error| not_json(&error, 0))?;
    Ok(key_text(&value).map(|text| Cow::Owned(text.into_owned())))
}

/// A row with the columns that are kept; one that a row does not have is left out.
fn kept(options: &TableLookup, row: &RawValue, members: &Members<'_>) -> Result<Bytes, Fault> {
    let text = match &options.columns {
        None => Cow::Borrowed(row.get()),
        Some(columns) => {
            let present = columns.iter().filter_map(|column| Some((column, members.get(column.as_str())?)));
            let written = present.map(|(name, raw)| format!("{}:{}", Value::from(name.as_str()), raw.get()));
            Cow::Owned(format!("{{{}}}", written.collect::<Vec<_>>().join(",")))
        }
    };
    let one_line = select(text.as_bytes(), None).map_err(|error| not_json(&error, 0))?;
    Ok(one_line.unwrap_or_default())
}

/// `first`: the line that the text begins in, if it is not the file's first.
fn not_json(error: &serde_json::Error, first: u64) -> Fault {
    let message = error.to_string();
    let message = message.rsplit_once(" at line").map_or(message.as_str(), |(clause, _)| clause).to_owned();
    let line = if first == 0 { error.line() as u64 } else { first };
    Fault::new(format!("this is not JSON: {message}")).at(line)
}

/// The line in which a part of the text begins.
fn line_of(text: &[u8], part: &RawValue) -> u64 {
    let offset = (part.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    text[..offset].split(|byte| *byte == b'\n').count() as u64
}

//! Parquet files as tables, read row by row.
//!
//! Source: the types of <https://parquet.apache.org/docs/file-format/types/>. Invariant: no digit of an integer or a
//! decimal is lost.

use std::fs::File;

use parquet::data_type::Decimal;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;
use sluicebox_core::Timestamp;
use sluicebox_lookups::key_text;

use super::TableLookup;
use super::fault::Fault;
use super::table::{Builder, Table};

pub(super) fn read(options: &TableLookup, file: File) -> Result<Table, Fault> {
    let unreadable = |error| Fault::new(format!("it cannot be read: {error}"));
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let columns: Vec<String> = {
        let schema = reader.metadata().file_metadata().schema_descr();
        schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect()
    };
    let wanted = options.key.iter().flat_map(|key| &key.0).chain(options.columns.iter().flatten());
    if let Some(missing) = wanted.into_iter().find(|column| !columns.contains(column)) {
        return Err(Fault::no_column(missing, columns.iter().map(String::as_str)));
    }
    let mut builder = Builder::new(options);
    for (number, row) in (1_u64..).zip(reader.get_row_iter(None).map_err(unreadable)?) {
        let row = row.map_err(unreadable)?;
        add(&mut builder, options, &row)
            .map_err(|fault| Fault { message: format!("row {number}: {}", fault.message), ..fault })?;
    }
    Ok(builder.finish())
}

fn add(builder: &mut Builder<'_>, options: &TableLookup, row: &Row) -> Result<(), Fault> {
    let field =
        |column: &String| row.get_column_iter().find(|(name, _)| *name == column).map(|(_, field)| field);
    let values: Vec<Value> = options
        .key
        .iter()
        .flat_map(|key| &key.0)
        .map(|column| {
            let text = field(column).map_or_else(|| "null".to_owned(), json);
            serde_json::from_str(&text).unwrap_or_default()
        })
        .collect();
    let key: Vec<_> = values.iter().map(key_text).collect();
    let is_kept = |name: &String| options.columns.as_ref().is_none_or(|columns| columns.contains(name));
    let members = row.get_column_iter().filter(|(name, _)| is_kept(name));
    builder.add(&key, object(members).as_bytes())
}

fn object<'r>(members: impl Iterator<Item = (&'r String, &'r Field)>) -> String {
    let written = members.map(|(name, field)| format!("{}:{}", Value::from(name.as_str()), json(field)));
    format!("{{{}}}", written.collect::<Vec<_>>().join(","))
}

/// A value as JSON text.
fn json(field: &Field) -> String {
    match field {
        Field::Null => "null".to_owned(),
        Field::Bool(is) => is.to_string(),
        Field::Byte(number) => number.to_string(),
        Field::Short(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::Long(number) => number.to_string(),
        Field::UByte(number) => number.to_string(),
        Field::UShort(number) => number.to_string(),
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::Float16(number) => Value::from(f32::from(*number)).to_string(),
        Field::Float(number) => Value::from(*number).to_string(),
        Field::Double(number) => Value::from(*number).to_string(),
        Field::Decimal(decimal) => number(decimal, field),
        Field::Str(text) => Value::from(text.as_str()).to_string(),
        Field::Bytes(bytes) => hexadecimal(bytes.data()),
        Field::Date(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
            Value::from(field.to_string()).to_string()
        }
        Field::TimestampMillis(millis) => time(*millis),
        Field::TimestampMicros(micros) => microseconds(*micros),
        Field::Group(row) => object(row.get_column_iter()),
        Field::ListInternal(list) => {
            format!("[{}]", list.elements().iter().map(json).collect::<Vec<_>>().join(","))
        }
        Field::MapInternal(map) => {
            let member = |(key, value): &(Field, Field)| {
                let name = json(key);
                // The name of a member is text, whatever the key of the map is.
                let name = if name.starts_with('"') { name } else { Value::from(name).to_string() };
                format!("{name}:{}", json(value))
            };
            format!("{{{}}}", map.entries().iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

/// A decimal with all of its digits. One without digits before the point is given a zero, which JSON wants.
fn number(decimal: &Decimal, field: &Field) -> String {
    if decimal.data().is_empty() {
        return "null".to_owned();
    }
    let text = field.to_string();
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('.') => format!("-0{rest}"),
        None if text.starts_with('.') => format!("0{text}"),
        _ => text,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Value::String(std::iter::once("\\x".to_owned()).chain(digits).collect()).to_string()
}

fn time(millis: i64) -> String {
    Value::from(Timestamp::from_millis(millis).to_string()).to_string()
}

fn microseconds(micros: i64) -> String {
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(at) => Value::from(at.to_string()).to_string(),
        Err(_) => "null".to_owned(),
    }
}

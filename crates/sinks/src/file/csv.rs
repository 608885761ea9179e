//! Rows of comma-separated values (RFC 4180): the same columns in every line of every file.
//!
//! Invariant: a row has exactly one field for each column of the header. Nothing and an empty text differ: the first is
//! an empty field, the second a quoted one.

use std::borrow::Cow;

use serde_json::Value;
use sluicebox_core::{Error, Event, Problem, Result};
use sluicebox_rules::Expression;
use sluicebox_tables::{ColumnSpec, ColumnType, Columns, Dialect, TableOptions, WriteMode, cell};

/// A file takes any name and any text.
const NAMES: Dialect = Dialect {
    database: "a csv file",
    folds_case: false,
    name_bytes: 1 << 16,
    reserved: &[],
    exact_numbers: true,
    holds_nul: true,
    max_columns: usize::MAX,
};

/// The columns of a file, compiled.
#[derive(Debug)]
pub(crate) struct CsvColumns {
    columns: Vec<CsvColumn>,
    header: Vec<u8>,
}

#[derive(Debug)]
struct CsvColumn {
    name: String,
    holds: Option<ColumnType>,
    expression: Expression,
}

/// Everything wrong with `columns:`.
pub(crate) fn problems(columns: Option<&Columns>) -> Vec<Problem> {
    if !matches!(columns, Some(Columns::Named(_))) {
        let help = "a file cannot grow columns: `columns: { id: meta.id, amount: event.data.amount }`";
        return vec![Problem::new("columns", "csv needs columns by name").with_help(help)];
    }
    TableOptions { columns, schema_contract: None, mode: WriteMode::Append, key: None }.problems(&NAMES)
}

impl CsvColumns {
    /// The columns in the order in which they stand in the pipeline file.
    ///
    /// # Errors
    /// `Config` if there are none, or an expression cannot be compiled.
    pub(crate) fn new(columns: Option<&Columns>) -> Result<Self> {
        let Some(Columns::Named(named)) = columns else {
            return Err(Error::config("csv needs columns by name"));
        };
        let mut named: Vec<(&String, &ColumnSpec)> = named.iter().collect();
        // They come sorted by name, which stays their order where no place is known.
        named.sort_by_key(|(_, column)| (column.value.line, column.value.column));
        let mut header = Vec::new();
        let mut columns = Vec::with_capacity(named.len());
        for (name, column) in named {
            let expression = Expression::compile(&column.value)
                .map_err(|problem| Error::config(format!("the column `{name}`: {}", problem.message)))?;
            append_field(&mut header, columns.is_empty(), Some(name));
            columns.push(CsvColumn { name: name.clone(), holds: column.holds, expression });
        }
        end_row(&mut header, 0);
        Ok(Self { columns, header })
    }

    /// The first line of every file.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Appends the row of an event to `buffer`; a row that fails leaves nothing behind.
    ///
    /// # Errors
    /// `Script` or `Permanent`: this event can never be a row.
    pub(crate) fn append(&self, buffer: &mut Vec<u8>, event: &Event) -> Result<()> {
        let start = buffer.len();
        let rows = self.columns.iter().enumerate().try_for_each(|(index, column)| {
            let text = column.text(event)?;
            append_field(buffer, index == 0, text.as_deref());
            Ok(())
        });
        match rows {
            Ok(()) => end_row(buffer, start),
            Err(_) => buffer.truncate(start),
        }
        rows
    }
}

impl CsvColumn {
    fn text(&self, event: &Event) -> Result<Option<Cow<'static, str>>> {
        let value = self
            .expression
            .evaluate(event)
            .map_err(|error| error.to_error(&format!("the column `{}` failed", self.name)))?;
        let Some(holds) = self.holds else {
            return Ok(match value {
                Value::Null => None,
                Value::String(text) => Some(text.into()),
                other => Some(other.to_string().into()),
            });
        };
        let cell = cell(value, Some(holds)).map_err(|why| {
            Error::permanent(format!("the column `{}` cannot be written: {why}", self.name))
        })?;
        Ok(cell.to_text().map(|text| Cow::Owned(text.into_owned())))
    }
}

fn append_field(buffer: &mut Vec<u8>, is_first: bool, text: Option<&str>) {
    if !is_first {
        buffer.push(b',');
    }
    let Some(text) = text else { return };
    let needs_quotes =
        text.is_empty() || text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if !needs_quotes {
        buffer.extend_from_slice(text.as_bytes());
        return;
    }
    buffer.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            buffer.push(b'"');
        }
        buffer.push(byte);
    }
    buffer.push(b'"');
}

/// Ends the row that begins at `start`.
fn end_row(buffer: &mut Vec<u8>, start: usize) {
    if buffer.len() == start {
        // One column without a value: readers skip an empty line.
        buffer.extend_from_slice(b"\"\"");
    }
    buffer.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use sluicebox_testkit::event;

    fn columns(value: serde_json::Value) -> CsvColumns {
        CsvColumns::new(Some(&serde_json::from_value(value).unwrap())).unwrap()
    }

    #[test]
    fn rows_are_read_back_by_another_reader() {
        let columns = columns(json!({
            "text": "event.t", "number": "event.n", "nested": "event.m", "absent": "event.x", "id,": "meta.id",
            "when": {"value": "event.w", "type": "timestamp"},
        }));
        let mut bytes = columns.header().to_vec();
        let texts = ["plain", "", "a,b", "say \"hi\"", "two\r\nlines", " spaces ", "\u{e4}\u{f6}", "=1+1"];
        for text in texts {
            let json = json!({"t": text, "n": 1.5, "m": {"a": [1, "x"]}, "w": "2026-06-12T12:00:00+02:00"});
            columns.append(&mut bytes, &event(3, &json.to_string())).unwrap();
        }
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(names, ["absent", "id,", "nested", "number", "text", "when"]);
        for (row, text) in reader.records().zip(texts) {
            let row = row.unwrap();
            let expected = ["", "opentrain:a:3", r#"{"a":[1,"x"]}"#, "1.5", text, "2026-06-12T10:00:00.000Z"];
            assert_eq!(row.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn nothing_and_an_empty_text_differ() {
        let columns = columns(json!({"a": "event.a", "b": "event.b"}));
        let mut bytes = Vec::new();
        columns.append(&mut bytes, &event(1, r#"{"a":""}"#)).unwrap();
        assert_eq!(bytes, b"\"\",\r\n");
        let one = self::columns(json!({"a": "event.a"}));
        bytes.clear();
        one.append(&mut bytes, &event(1, "{}")).unwrap();
        assert_eq!(bytes, b"\"\"\r\n", "a reader skips an empty line");
    }

    #[test]
    fn columns_stand_in_the_order_of_the_pipeline_file() {
        let placed =
            |line: usize, column: usize| json!({"$text": "event.x", "$line": line, "$column": column});
        let columns = columns(json!({"a": placed(9, 5), "b": placed(8, 5), "c": placed(8, 1)}));
        assert_eq!(columns.header(), b"c,b,a\r\n");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_and_leaves_nothing() {
        let columns = columns(json!({"a": "event.a", "b": {"value": "event.b", "type": "integer"}}));
        let mut bytes = b"kept".to_vec();
        let error = columns.append(&mut bytes, &event(1, r#"{"a":1,"b":"two"}"#)).unwrap_err();
        assert_eq!(error.to_string(), "the column `b` cannot be written: expected integer, found text");
        assert_eq!(bytes, b"kept");
    }

    #[test]
    fn columns_that_cannot_be_are_named() {
        let found = |value| problems(Some(&serde_json::from_value(value).unwrap()));
        assert_eq!(problems(None)[0].message, "csv needs columns by name");
        assert_eq!(found(json!("from_event"))[0].path, "columns");
        assert_eq!(found(json!({"a": "event. "}))[0].path, "columns.a");
        assert_eq!(found(json!({"a": "event.a", "A": "event.b"})), []);
    }
}

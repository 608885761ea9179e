//! Accounts from a file of comma-separated values: one row each, the columns are their fields.
//!
//! Source: RFC 4180. Invariant: a file with anything wrong in it gives no account at all, so that a half-written one
//! takes nobody's account away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use csv::{ReaderBuilder, StringRecord};

use crate::faults::Fault;
use crate::interpolate::{Field, Fields, Scope};

/// One row.
pub(crate) struct Row {
    /// Of the file, from 1.
    pub(crate) line: u64,
    pub(crate) fields: Fields,
}

impl Row {
    /// Equal for rows that say the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, field) in &self.fields {
            (name, &field.filled.text).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Where the rows stand, for messages.
pub(crate) struct Place<'a> {
    /// The file of accounts.
    pub(crate) file: &'a str,
    /// Where the pipeline file names it.
    pub(crate) range: Range<usize>,
    pub(crate) path: &'a str,
}

impl Place<'_> {
    /// A fault of one line.
    pub(crate) fn fault(&self, line: u64, message: &str) -> Fault {
        Fault::new(self.range.clone(), self.path, format!("{}:{line}: {message}", self.file))
    }
}

/// Reads the rows, with `${…}` in their cells filled in.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn read(text: &str, place: &Place<'_>, scope: Scope<'_>) -> Result<Vec<Row>, Vec<Fault>> {
    let mut reader = ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let mut faults = Vec::new();
    if !header.iter().any(|name| name == "id") {
        let help = "its first line names the columns: `id,token`";
        return Err(vec![place.fault(1, "expected a column `id`").help(help)]);
    }
    let twice =
        header.iter().enumerate().find(|(index, name)| header.iter().take(*index).any(|it| it == *name));
    if let Some((_, name)) = twice {
        return Err(vec![place.fault(1, &format!("there are two columns `{name}`"))]);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => match row(&header, &record, place, scope) {
                Ok(row) => rows.push(row),
                Err(mut wrong) => faults.append(&mut wrong),
            },
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                faults.push(place.fault(line, &said(&error)));
            }
        }
    }
    if rows.is_empty() && faults.is_empty() {
        faults.push(place.fault(1, "there is no account in it"));
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn row(
    header: &StringRecord,
    record: &StringRecord,
    place: &Place<'_>,
    scope: Scope<'_>,
) -> Result<Row, Vec<Fault>> {
    let line = record.position().map_or(1, csv::Position::line);
    let (mut fields, mut faults) = (Fields::new(), Vec::new());
    for (name, cell) in header.iter().zip(record) {
        let filled = scope.fill(cell);
        for failure in &filled.failures {
            let fault = place.fault(line, &format!("`{name}`: {}", failure.message));
            faults.push(failure.help.clone().into_iter().fold(fault, Fault::help));
        }
        fields.insert(name.to_owned(), Field { filled, range: place.range.clone() });
    }
    if faults.is_empty() { Ok(Row { line, fields }) } else { Err(faults) }
}

/// What is wrong with a row, without its text, which may hold a secret.
fn said(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("expected {expected_len} cells, found {len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8 text".to_owned(),
        _ => "it cannot be read".to_owned(),
    }
}

//! Accounts as rows, of a file of comma-separated values or of another place: the columns are their fields.
//!
//! Source: RFC 4180. Invariant: rows with anything wrong in them give no account at all, so that a half-written file
//! takes nobody's account away; what a database holds is taken as it stands, for whoever may write there is not always
//! who may read this machine's secrets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use csv::{ReaderBuilder, StringRecord};
use sluicebox_core::AccountRow;

use crate::faults::Fault;
use crate::interpolate::{Field, Fields, Filled, Scope};

/// One row.
pub(crate) struct Row {
    /// Of the file, from 1; `None` where rows have no order.
    pub(crate) line: Option<u64>,
    pub(crate) fields: Fields,
}

impl Row {
    /// Equal for rows that say the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, field) in &self.fields {
            (name, &field.filled.text, field.is_null).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Where the rows stand, for messages.
pub(crate) struct Place<'a> {
    /// The file of accounts, or what messages call the place.
    pub(crate) named: &'a str,
    /// Where the pipeline file names it.
    pub(crate) range: Range<usize>,
    pub(crate) path: &'a str,
}

impl Place<'_> {
    /// A fault of one line, or of the rows where they have none.
    pub(crate) fn fault(&self, line: Option<u64>, message: &str) -> Fault {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Fault::new(self.range.clone(), self.path, format!("{}{line}: {message}", self.named))
    }
}

/// Rows that were read elsewhere.
///
/// # Errors
/// There is none, or they have no `id`.
pub(crate) fn of_rows(rows: &[AccountRow], place: &Place<'_>) -> Result<Vec<Row>, Vec<Fault>> {
    let Some(first) = rows.first() else { return Err(vec![place.fault(None, "there is no account in it")]) };
    if !first.columns.contains_key("id") {
        let help = "name the column in the query: `SELECT customer AS id, token FROM …`";
        return Err(vec![place.fault(None, "expected a column `id`").help(help)]);
    }
    let field = |(name, cell): (&String, &Option<String>)| {
        let filled = Filled { text: cell.clone().unwrap_or_default(), ..Filled::default() };
        (name.clone(), Field { filled, range: None, is_null: cell.is_none() })
    };
    let fields = |row: &AccountRow| row.columns.iter().map(field).collect();
    Ok(rows.iter().map(|row| Row { line: None, fields: fields(row) }).collect())
}

/// Reads the rows of a csv file, with `${…}` in their cells filled in.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn of_csv(text: &str, place: &Place<'_>, scope: Scope<'_>) -> Result<Vec<Row>, Vec<Fault>> {
    let mut reader = ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let mut faults = Vec::new();
    if !header.iter().any(|name| name == "id") {
        let help = "its first line names the columns: `id,token`";
        return Err(vec![place.fault(Some(1), "expected a column `id`").help(help)]);
    }
    let twice =
        header.iter().enumerate().find(|(index, name)| header.iter().take(*index).any(|it| it == *name));
    if let Some((_, name)) = twice {
        return Err(vec![place.fault(Some(1), &format!("there are two columns `{name}`"))]);
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => match row(&header, &record, place, scope) {
                Ok(row) => rows.push(row),
                Err(mut wrong) => faults.append(&mut wrong),
            },
            Err(error) => {
                let line = Some(error.position().map_or(1, csv::Position::line));
                faults.push(place.fault(line, &said(&error)));
            }
        }
    }
    if rows.is_empty() && faults.is_empty() {
        faults.push(place.fault(Some(1), "there is no account in it"));
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

fn row(
    header: &StringRecord,
    record: &StringRecord,
    place: &Place<'_>,
    scope: Scope<'_>,
) -> Result<Row, Vec<Fault>> {
    let line = Some(record.position().map_or(1, csv::Position::line));
    let (mut fields, mut faults) = (Fields::new(), Vec::new());
    for (name, cell) in header.iter().zip(record) {
        let filled = scope.fill(cell);
        for failure in &filled.failures {
            let fault = place.fault(line, &format!("`{name}`: {}", failure.message));
            faults.push(failure.help.clone().into_iter().fold(fault, Fault::help));
        }
        fields.insert(name.to_owned(), Field { filled, range: None, is_null: false });
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

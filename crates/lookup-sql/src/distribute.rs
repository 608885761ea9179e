//! Which rows answer which key, and what of them is the answer.

use std::collections::HashMap;

use bytes::Bytes;
use sluicebox_core::LookupStatus;
use sluicebox_lookups::{Found, key_text, select};

use crate::database::Line;
use crate::spec::{RowsWanted, SqlLookup};

/// What of the rows for one key is the answer.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    rows: RowsWanted,
    max_rows: usize,
    select: Option<String>,
}

impl Choice {
    pub(crate) fn new(options: &SqlLookup) -> Self {
        Self { rows: options.rows, max_rows: options.max_rows, select: options.select.clone() }
    }

    /// Rows to ask for, for this many keys; with several keys it is not known how many rows each has.
    pub(crate) fn limit(&self, keys: usize) -> usize {
        match self.rows {
            RowsWanted::One if keys == 1 => 1,
            _ => self.max_rows.saturating_mul(keys).saturating_add(1),
        }
    }

    /// The answer for one key.
    pub(crate) fn of(&self, lines: &[Line]) -> Found {
        if lines.is_empty() {
            return Found::nothing(LookupStatus::NotFound, "the database has no row for it");
        }
        match self.rows {
            RowsWanted::One => match self.selected(&lines[0]) {
                Ok(Some(json)) => Found::Answer(json),
                Ok(None) => {
                    let path = self.select.as_deref().unwrap_or_default();
                    Found::nothing(LookupStatus::NotFound, &format!("the row has nothing at `{path}`"))
                }
                Err(error) => unusable(&error),
            },
            RowsWanted::Many if lines.len() > self.max_rows => {
                let reason = format!("the database has more than {} rows for it", self.max_rows);
                Found::nothing(LookupStatus::Unavailable, &reason)
            }
            RowsWanted::Many => self.list(lines).unwrap_or_else(|error| unusable(&error)),
        }
    }

    /// The answers for several keys; rows for other keys are passed over.
    pub(crate) fn distribute(&self, keys: &[String], lines: Vec<Line>) -> Vec<(String, Found)> {
        let mut of_key: HashMap<String, Vec<Line>> = HashMap::new();
        for line in lines {
            if let Some(key) = key_text(&line.key).map(std::borrow::Cow::into_owned) {
                of_key.entry(key).or_default().push(line);
            }
        }
        let answer = |key: &String| (key.clone(), self.of(of_key.get(key).map_or(&[], Vec::as_slice)));
        keys.iter().map(answer).collect()
    }

    fn list(&self, lines: &[Line]) -> Result<Found, serde_json::Error> {
        let mut list = vec![b'['];
        for line in lines {
            if let Some(json) = self.selected(line)? {
                if list.len() > 1 {
                    list.push(b',');
                }
                list.extend_from_slice(&json);
            }
        }
        list.push(b']');
        Ok(Found::Answer(list.into()))
    }

    fn selected(&self, line: &Line) -> Result<Option<Bytes>, serde_json::Error> {
        select(line.json.as_bytes(), self.select.as_deref())
    }
}

fn unusable(error: &serde_json::Error) -> Found {
    Found::nothing(LookupStatus::Unavailable, &format!("the row is not JSON: {error}"))
}

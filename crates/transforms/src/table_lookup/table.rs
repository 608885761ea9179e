//! A table in memory: the bytes of all rows in one block, and where the row of each key lies in it.
//!
//! Invariant: never more rows and bytes than the options allow, also while it is read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use bytes::Bytes;
use sluicebox_lookups::{Key, select};

use super::fault::Fault;
use super::{Duplicates, TableLookup};

/// What an entry of the index takes beside the text of its key, about.
const ENTRY_BYTES: usize = 64;

/// Rows by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: HashMap<Key, Range<usize>>,
    bytes: Bytes,
}

impl Table {
    /// The row of a key as JSON text; it shares the memory of the table.
    pub(super) fn row(&self, key: &Key) -> Option<Bytes> {
        self.rows.get(key).map(|range| self.bytes.slice(range.clone()))
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A table while it is read.
pub(super) struct Builder<'o> {
    options: &'o TableLookup,
    rows: HashMap<Key, Range<usize>>,
    bytes: Vec<u8>,
    keys: usize,
}

impl<'o> Builder<'o> {
    pub(super) fn new(options: &'o TableLookup) -> Self {
        Self { options, rows: HashMap::new(), bytes: Vec::new(), keys: 0 }
    }

    /// Adds a row with the parts of its key; one without a key is passed over.
    ///
    /// # Errors
    /// The key is there already, or the table becomes too large.
    pub(super) fn add(&mut self, parts: &[Option<Cow<'_, str>>], row: &[u8]) -> Result<(), Fault> {
        let Some(key) = Key::of(parts.iter().cloned()) else { return Ok(()) };
        let Some(row) = self.selected(row)? else { return Ok(()) };
        let start = self.bytes.len();
        match self.rows.entry(key) {
            Entry::Vacant(place) => {
                self.keys += place.key().size() + ENTRY_BYTES;
                place.insert(start..start + row.len());
            }
            Entry::Occupied(mut place) => match self.options.duplicates {
                Duplicates::First => return Ok(()),
                Duplicates::Last => drop(place.insert(start..start + row.len())),
                Duplicates::Error => return Err(self.repeated(parts)),
            },
        }
        self.bytes.extend_from_slice(&row);
        self.check_size()
    }

    pub(super) fn finish(mut self) -> Table {
        self.bytes.shrink_to_fit();
        Table { rows: self.rows, bytes: self.bytes.into() }
    }

    /// What of a row is kept.
    fn selected<'r>(&self, row: &'r [u8]) -> Result<Option<Cow<'r, [u8]>>, Fault> {
        let Some(path) = self.options.select.as_deref() else { return Ok(Some(Cow::Borrowed(row))) };
        let selected =
            select(row, Some(path)).map_err(|error| Fault::new(format!("this is not JSON: {error}")))?;
        Ok(selected.map(|bytes| Cow::Owned(bytes.to_vec())))
    }

    fn repeated(&self, parts: &[Option<Cow<'_, str>>]) -> Fault {
        let columns = self.options.key.as_ref().map_or_else(|| "name".to_owned(), |key| key.0.join(", "));
        let values: Vec<&str> = parts.iter().flatten().map(AsRef::as_ref).collect();
        Fault::new(format!("a second row whose `{columns}` is `{}`", values.join(", ")))
            .with_help("make it unique, or set `duplicates: first` or `last`")
    }

    fn check_size(&self) -> Result<(), Fault> {
        let TableLookup { max_rows, max_bytes, .. } = *self.options;
        if self.rows.len() as u64 > max_rows {
            let fault = Fault::new(format!("the table has more than {max_rows} rows"));
            return Err(fault.with_help("raise `max_rows`, or look up with `sql_lookup`"));
        }
        if (self.bytes.len() + self.keys) as u64 > max_bytes.0 {
            let fault = Fault::new(format!("the table takes more than {} bytes", max_bytes.0));
            return Err(
                fault.with_help("keep fewer `columns`, raise `max_bytes`, or look up with `sql_lookup`")
            );
        }
        Ok(())
    }
}

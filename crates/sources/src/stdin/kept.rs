//! Lines that were read and are not durable yet: they cannot be read again.
//!
//! Invariant: a line is dropped only when a position behind it is durable everywhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sluicebox_core::{Committer, Cursor, Result};

use crate::splitter::Record;

/// Some lines that follow each other.
pub(super) struct Lines {
    /// How many lines came before them.
    pub(super) before: u64,
    pub(super) records: Vec<Record>,
}

impl Lines {
    fn end(&self) -> u64 {
        self.before + self.records.len() as u64
    }
}

/// The lines of one run that are on their way.
#[derive(Clone)]
pub(super) struct Kept {
    /// What tells this run from others.
    pub(super) run: i64,
    pages: Arc<Mutex<VecDeque<Arc<Lines>>>>,
}

impl Kept {
    pub(super) fn new(run: i64) -> Self {
        Self { run, pages: Arc::default() }
    }

    fn pages(&self) -> MutexGuard<'_, VecDeque<Arc<Lines>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, records: Vec<Record>, before: u64) -> Arc<Lines> {
        let lines = Arc::new(Lines { before, records });
        self.pages().push_back(Arc::clone(&lines));
        lines
    }

    /// The lines that begin behind so many.
    pub(super) fn after(&self, count: u64) -> Option<Arc<Lines>> {
        self.pages().iter().find(|lines| lines.before == count).cloned()
    }

    /// The position behind so many lines.
    pub(super) fn cursor(&self, count: u64) -> Cursor {
        Cursor::from(format!("{}/{count}", self.run))
    }

    /// How many lines a position of this run stands behind; `None`: it is one of another run.
    pub(super) fn count(&self, cursor: &Cursor) -> Option<u64> {
        let (run, count) = cursor.as_str()?.split_once('/')?;
        (run.parse() == Ok(self.run)).then(|| count.parse().ok()).flatten()
    }
}

#[async_trait]
impl Committer for Kept {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        if let Some(count) = self.count(cursor) {
            let mut pages = self.pages();
            while pages.front().is_some_and(|lines| lines.end() <= count) {
                pages.pop_front();
            }
        }
        Ok(())
    }
}

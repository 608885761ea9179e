//! Accounts in a database, read again and again.
//!
//! Invariant: what keeps them from being read is told once, not each time, and again only after it had worked.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sluicebox_core::{AccountRow, Error, Period};
use sluicebox_runtime::AccountReader;

use super::Crowd;
use crate::outside::ProcessVariables;

/// Takes what the rows say whenever they have changed.
pub(super) async fn watch(mut crowd: Crowd, reader: AccountReader) {
    let mut told = HashSet::new();
    let mut settled = None;
    loop {
        tokio::time::sleep(reader.rows.every()).await;
        let rows = match reader.read().await {
            Ok(rows) => rows,
            Err(error) => {
                if told.insert(error.chain()) {
                    explain(&crowd, &reader, &error);
                }
                continue;
            }
        };
        let mark = Some(mark(&rows));
        // Rows that are wrong are looked at again: what is wrong may be in the pipeline file.
        if mark != settled {
            let mut variables = ProcessVariables::default();
            variables.give_rows(&reader.source, rows);
            if let Err(problems) = crowd.take(&variables, "the table of accounts") {
                let new = problems.iter().filter(|problem| told.insert(problem.message.clone()));
                new.for_each(|problem| crowd.complain(problem));
                continue;
            }
            settled = mark;
        }
        if !told.is_empty() {
            let (pipeline, component) = (crowd.pipeline.as_str(), crowd.source.as_str());
            tracing::info!(pipeline, component, "the accounts can be read again");
            told.clear();
        }
    }
}

fn explain(crowd: &Crowd, reader: &AccountReader, error: &Error) {
    let (pipeline, component) = (crowd.pipeline.as_str(), crowd.source.as_str());
    let (help, every) = (error.help(), Period(reader.rows.every()));
    tracing::error!(
        pipeline,
        component,
        help,
        "the accounts stay as they are: {}, trying again every {every}",
        error.chain()
    );
}

/// The same for the same rows.
fn mark(rows: &[AccountRow]) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}

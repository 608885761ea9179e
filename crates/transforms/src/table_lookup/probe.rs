//! Looks, for `check --connect`, whether the table can be read.

use sluicebox_core::{Context, Error, Probe};

use super::TableLookup;
use super::read::Reader;

pub(super) async fn probe(options: &TableLookup, cx: &Context) -> Probe {
    let mut probe = Probe::new();
    let reader = Reader::new(options, &cx.folder);
    match tokio::task::spawn_blocking(move || reader.read()).await {
        Ok(Ok(table)) => probe.fine("table", format!("{}, rows: {}", options.file, table.len())),
        Ok(Err(fault)) => probe.wrong("table", fault.error(&options.file)),
        Err(error) => probe.wrong("table", Error::permanent("the table could not be read").with_cause(error)),
    }
    probe
}

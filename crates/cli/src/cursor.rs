//! `cursor`: where every source stands, readable beside a running instance; moving one needs its lock.

use std::path::Path;

use sluicebox_checkpoints::{CursorRow, SqliteStore, StateReader, pipelines};
use sluicebox_core::{Cursor, PartitionRecord, State};

use crate::arguments::{CursorPlace, ReportFormat};
use crate::exit::{Ended, Exit, Stop};
use crate::{pipeline_files, terminal};

/// Prints the positions of one pipeline, or of all.
pub(crate) fn show(state_dir: &Path, pipeline: Option<&str>, format: ReportFormat) -> Ended {
    let state_dir = pipeline_files::state_dir(state_dir)?;
    for reader in readers(&state_dir, pipeline)? {
        for row in reader.cursors()? {
            match format {
                ReportFormat::Json => {
                    let line = serde_json::to_string(&row)
                        .map_err(|error| Stop::failed("cannot write a position", &error))?;
                    terminal::print_line(&line);
                }
                ReportFormat::Text => terminal::print_line(&sentence(&row)),
            }
        }
    }
    Ok(Exit::Done)
}

/// Opens the state of one pipeline, or of all, for reading.
pub(crate) fn readers(state_dir: &Path, pipeline: Option<&str>) -> Result<Vec<StateReader>, Stop> {
    let Some(pipeline) = pipeline else {
        let mut readers = Vec::new();
        for name in pipelines(state_dir) {
            readers.extend(StateReader::open(state_dir, &name)?);
        }
        return Ok(readers);
    };
    match StateReader::open(state_dir, pipeline)? {
        Some(reader) => Ok(vec![reader]),
        None => Err(unknown_pipeline(state_dir, pipeline)),
    }
}

fn unknown_pipeline(state_dir: &Path, pipeline: &str) -> Stop {
    let stop = Stop::usage(format!("pipeline {pipeline} has no state in {}", state_dir.display()));
    let known = pipelines(state_dir);
    if known.is_empty() { stop } else { stop.help(format!("there is {}", known.join(", "))) }
}

fn sentence(row: &CursorRow) -> String {
    let CursorRow { pipeline, source, account, safe_seq, committed_at, .. } = row;
    let place = if source == account { source.clone() } else { format!("{source}/{account}") };
    let cursor = row.cursor.as_ref().map_or_else(|| "none".to_owned(), Cursor::to_text);
    let paused = row.paused.as_ref().map(|reason| format!(", paused: {reason}")).unwrap_or_default();
    format!("{pipeline} {place} {cursor} (advance {safe_seq}, committed {committed_at}{paused})")
}

/// Moves a cursor, or forgets it (`None`).
pub(crate) fn change(place: &CursorPlace, cursor: Option<&str>) -> Ended {
    let state_dir = pipeline_files::state_dir(&place.state.state_dir)?;
    let (source, account) =
        place.source.split_once('/').unwrap_or((place.source.as_str(), place.source.as_str()));
    // A state that is not there is not made: a typing error in a name must not look like success.
    let reader = readers(&state_dir, Some(&place.pipeline))?;
    let store = SqliteStore::open(&state_dir, &place.pipeline)?;
    let State { partitions, memories, .. } =
        reader.first().map(StateReader::state).transpose()?.unwrap_or_default();
    drop(reader);
    let before = partitions.iter().find(|record| record.source == source && record.partition == account);
    let Some(before) = before else {
        return Err(unknown_partition(&partitions, place));
    };
    terminal::print_line(&format!("old: {}", text(before.cursor.as_deref())));
    terminal::print_line(&format!("new: {}", text(cursor.map(str::as_bytes))));
    let own = memories.iter().filter(|(name, _)| name.source == source && name.partition == account);
    let remembered: usize = own.map(|(_, entries)| entries.len()).sum();
    if remembered > 0 {
        terminal::print_line(&format!(
            "what the transforms remember of it ({remembered} entries) is forgotten: it belongs to the old place"
        ));
    }
    let question = format!("Move {}/{source}/{account}?", place.pipeline);
    if !place.yes && !terminal::confirm(&question) {
        return Err(Stop::new(Exit::Failed, "nothing was changed").help("confirm, or pass --yes"));
    }
    let now = sluicebox_engine::system().clock.now();
    match cursor {
        Some(cursor) => store.set_cursor(source, account, Some(Cursor::from(cursor)), now)?,
        None => store.reset_cursor(source, account, now)?,
    };
    Ok(Exit::Done)
}

fn unknown_partition(partitions: &[PartitionRecord], place: &CursorPlace) -> Stop {
    let stop = Stop::usage(format!("pipeline {} has no position of {}", place.pipeline, place.source));
    let known = partitions.iter().map(|record| match &record.partition {
        account if *account == record.source => record.source.to_string(),
        account => format!("{}/{account}", record.source),
    });
    let known: Vec<_> = known.collect();
    if known.is_empty() { stop } else { stop.help(format!("there is {}", known.join(", "))) }
}

fn text(cursor: Option<&[u8]>) -> String {
    cursor.map_or_else(|| "none".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

//! `dlq`: events that could not be processed, readable beside a running instance. Signed links are shown without their
//! query unless asked for.

use std::path::Path;

use sluicebox_checkpoints::{StateReader, StoredDeadLetter};

use crate::arguments::ReportFormat;
use crate::cursor::readers;
use crate::exit::{Ended, Exit, Stop};
use crate::{pipeline_files, redact, terminal};

/// Prints one line per dead letter of one pipeline, or of all.
pub(crate) fn list(state_dir: &Path, pipeline: Option<&str>, format: ReportFormat, raw: bool) -> Ended {
    let state_dir = pipeline_files::state_dir(state_dir)?;
    for reader in readers(&state_dir, pipeline)? {
        reader.each_dead_letter(|stored| match format {
            ReportFormat::Json => {
                terminal::print_line(&json(&stored, raw, serde_json::to_string));
            }
            ReportFormat::Text => terminal::print_line(&line(&stored, raw)),
        })?;
    }
    Ok(Exit::Done)
}

/// Prints dead letters whole: those with an id that is given, or all.
pub(crate) fn show(state_dir: &Path, ids: &[String], raw: bool) -> Ended {
    let state_dir = pipeline_files::state_dir(state_dir)?;
    let readers = readers(&state_dir, None)?;
    if ids.is_empty() {
        for reader in &readers {
            reader.each_dead_letter(|stored| print_whole(&stored, raw))?;
        }
        return Ok(Exit::Done);
    }
    let mut missing = Vec::new();
    for id in ids {
        match find(&readers, id)? {
            found if found.is_empty() => missing.push(id.as_str()),
            found => found.iter().for_each(|stored| print_whole(stored, raw)),
        }
    }
    if missing.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Stop::usage(format!("no dead letter has the id {}", missing.join(", ")))
        .help("`sluicebox dlq list` shows all"))
}

/// An id is unique within a pipeline, so that more than one may have it.
fn find(readers: &[StateReader], id: &str) -> Result<Vec<StoredDeadLetter>, Stop> {
    let mut found = Vec::new();
    for reader in readers {
        found.extend(reader.dead_letter(id)?);
    }
    Ok(found)
}

fn print_whole(stored: &StoredDeadLetter, raw: bool) {
    terminal::print_line(&json(stored, raw, serde_json::to_string_pretty));
}

/// A letter as JSON; only `raw` keeps the event byte for byte.
fn json(
    stored: &StoredDeadLetter,
    raw: bool,
    write: impl FnOnce(&StoredDeadLetter) -> serde_json::Result<String>,
) -> String {
    let text = if raw { write(stored) } else { write(&redacted(stored)) };
    // Numbers, texts, lists and maps with text keys: nothing that cannot be JSON.
    text.unwrap_or_default()
}

/// The same letter with the query of every link hidden.
fn redacted(stored: &StoredDeadLetter) -> StoredDeadLetter {
    let mut stored = stored.clone();
    let letter = &mut stored.letter;
    let event = match serde_json::from_slice(&letter.event) {
        Ok(json) => redact::value(json).to_string(),
        Err(_) => redact::text(&String::from_utf8_lossy(&letter.event)),
    };
    letter.event = event.into();
    letter.error.message = redact::text(&letter.error.message);
    stored
}

/// `ID TIME COMPONENT REASON META.ID FILE:LINE:COL MESSAGE`; `-` where there is no place.
fn line(stored: &StoredDeadLetter, raw: bool) -> String {
    let letter = &stored.letter;
    let error = &letter.error;
    let number = |number: Option<usize>| number.map(|it| format!(":{it}")).unwrap_or_default();
    let place =
        error.file.as_ref().map(|file| format!("{file}{}{}", number(error.line), number(error.column)));
    let message = error.message.replace(['\n', '\r'], " ");
    let message = if raw { message } else { redact::text(&message) };
    let (id, time, component, reason) = (&stored.id, letter.time, &letter.component, letter.reason.as_str());
    let place = place.as_deref().unwrap_or("-");
    format!("{id} {time} {component} {reason} {} {place} {message}", letter.meta.id)
}

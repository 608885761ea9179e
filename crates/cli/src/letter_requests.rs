//! `dlq replay` and `dlq drop`: asked of whoever runs the pipeline; without a running instance a drop is done at once and
//! a replay goes with the next run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sluicebox_checkpoints::{Action, SqliteStore, StateReader, ask, is_running, pipelines};

use crate::arguments::LetterChoice;
use crate::exit::{Ended, Exit, Stop};
use crate::{pipeline_files, terminal};

/// How long a running instance is watched.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The letters of one pipeline that were chosen.
struct Chosen {
    pipeline: String,
    ids: Vec<String>,
}

/// Sends letters through their pipelines again.
pub(crate) fn replay(state_dir: &Path, choice: &LetterChoice) -> Ended {
    let state_dir = pipeline_files::state_dir(state_dir)?;
    for Chosen { pipeline, ids } in chosen(&state_dir, choice)? {
        let what = letters(ids.len());
        if is_running(&state_dir, &pipeline)? {
            ask(&state_dir, &pipeline, Action::Replay, &ids)?;
            let left = wait(&state_dir, &pipeline, &ids)?;
            terminal::print_line(&match left {
                0 => format!(
                    "{pipeline}: {what} replayed; `sluicebox dlq list` shows whether any failed again"
                ),
                left => format!("{pipeline}: {what} sent, {left} still on the way"),
            });
        } else {
            ask(&state_dir, &pipeline, Action::Replay, &ids)?;
            terminal::print_line(&format!("{pipeline}: {what} will be replayed by the next `sluicebox run`"));
        }
    }
    Ok(Exit::Done)
}

/// Forgets letters.
pub(crate) fn drop_letters(state_dir: &Path, choice: &LetterChoice, yes: bool) -> Ended {
    let state_dir = pipeline_files::state_dir(state_dir)?;
    let chosen = chosen(&state_dir, choice)?;
    let count = chosen.iter().map(|chosen| chosen.ids.len()).sum();
    if count > 0 && !yes && !terminal::confirm(&format!("Forget {}?", letters(count))) {
        return Err(Stop::new(Exit::Failed, "nothing was changed").help("confirm, or pass --yes"));
    }
    for Chosen { pipeline, ids } in chosen {
        let what = letters(ids.len());
        if is_running(&state_dir, &pipeline)? {
            ask(&state_dir, &pipeline, Action::Drop, &ids)?;
            let left = wait(&state_dir, &pipeline, &ids)?;
            terminal::print_line(&match left {
                0 => format!("{pipeline}: {what} forgotten"),
                left => format!(
                    "{pipeline}: {left} of {what} will be forgotten when the running instance gets to it"
                ),
            });
        } else {
            let forgotten = SqliteStore::open(&state_dir, &pipeline)?.forget_dead_letters(&ids)?;
            terminal::print_line(&format!("{pipeline}: {} forgotten", letters(forgotten)));
        }
    }
    Ok(Exit::Done)
}

/// The letters that were meant, by pipeline; an id that is nowhere is an error.
fn chosen(state_dir: &Path, choice: &LetterChoice) -> Result<Vec<Chosen>, Stop> {
    let names = match &choice.pipeline {
        Some(name) => vec![name.clone()],
        None => pipelines(state_dir),
    };
    let mut missing: BTreeSet<&str> = choice.ids.iter().map(String::as_str).collect();
    let mut all = Vec::new();
    for pipeline in names {
        let reader = match StateReader::open(state_dir, &pipeline)? {
            Some(reader) => reader,
            None if choice.pipeline.is_none() => continue,
            None => {
                return Err(Stop::usage(format!(
                    "pipeline {pipeline} has no state in {}",
                    state_dir.display()
                )));
            }
        };
        let mut ids = Vec::new();
        reader.each_dead_letter(|stored| {
            if choice.ids.is_empty() || choice.ids.contains(&stored.id) {
                ids.push(stored.id);
            }
        })?;
        missing.retain(|id| !ids.iter().any(|found| found == id));
        if !ids.is_empty() {
            all.push(Chosen { pipeline, ids });
        }
    }
    if !missing.is_empty() {
        let missing: Vec<_> = missing.into_iter().collect();
        return Err(Stop::usage(format!("no dead letter has the id {}", missing.join(", ")))
            .help("`sluicebox dlq list` shows all"));
    }
    if all.is_empty() {
        terminal::print_line("there are no dead letters");
    }
    Ok(all)
}

/// Waits for a running instance; how many of the letters are still there.
fn wait(state_dir: &Path, pipeline: &str, ids: &[String]) -> Result<usize, Stop> {
    let clock = sluicebox_engine::system().clock;
    let until = clock.elapsed() + PATIENCE;
    loop {
        let Some(reader) = StateReader::open(state_dir, pipeline)? else { return Ok(0) };
        let mut left = 0;
        reader.each_dead_letter(|stored| left += usize::from(ids.contains(&stored.id)))?;
        if left == 0 || clock.elapsed() >= until || !is_running(state_dir, pipeline)? {
            return Ok(left);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn letters(count: usize) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

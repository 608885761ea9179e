//! What people ask for with dead letters: a list beside the state that anyone may add to while an instance runs.
//!
//! One JSON line a request, numbered; whoever changes the file holds its lock. Invariant: a number is never used again,
//! so a request that was done is not done twice: the last line stays when the others are cleared away, and numbers go on
//! from the time of day, so that they grow even if the list is lost. Otherwise new requests would pass for old ones that
//! are done, and their letters be forgotten.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sluicebox_core::{Error, ErrorClass};

use crate::OpenError;
use crate::folder::{Folder, private_file};
use crate::lock::is_held;

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Send the letter through the pipeline again.
    Replay,
    /// Forget it.
    Drop,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) action: Action,
    /// The dead letter's id.
    pub(crate) id: String,
}

/// Asks for an action with the dead letters of a pipeline, in this order. Whoever runs the pipeline does it; if nobody
/// does, the next run. Blocking.
///
/// # Errors
/// The folder cannot be written.
pub fn ask(dir: &Path, pipeline: &str, action: Action, ids: &[String]) -> Result<(), OpenError> {
    let path = Folder::of(dir, pipeline)?.requests();
    let add = || -> std::io::Result<()> {
        let mut file = locked(&path)?;
        let (lines, whole) = read_all(&mut file)?;
        let next = lines.last().map_or(1, |line| line.number + 1).max(now());
        let mut text = String::new();
        for (number, id) in (next..).zip(ids) {
            text.push_str(&json(&Line { number, action, id: id.clone() })?);
        }
        // A line that a crash has torn is written over.
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    add().map_err(OpenError::io(&path))
}

/// Whether an instance runs the pipeline. Blocking.
///
/// # Errors
/// The lock cannot be looked at.
pub fn is_running(dir: &Path, pipeline: &str) -> Result<bool, OpenError> {
    is_held(&Folder::of(dir, pipeline)?.lock())
}

/// Microseconds since 1970.
fn now() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

/// The requests after a number, at most so many; each says whether it is the first for its letter. A letter that is
/// asked for again while the first request is under way is still there, but must not be replayed twice.
pub(crate) fn after(path: &Path, number: u64, most: usize) -> Result<Vec<(Line, bool)>, Error> {
    let mut asked = HashSet::new();
    let lines = whole(path)?.into_iter().map(|line| {
        let is_first = asked.insert(line.id.clone());
        (line, is_first)
    });
    Ok(lines.filter(|(line, _)| line.number > number).take(most).collect())
}

/// The requests up to a number.
pub(crate) fn up_to(path: &Path, number: u64) -> Result<Vec<Line>, Error> {
    Ok(whole(path)?.into_iter().filter(|line| line.number <= number).collect())
}

fn whole(path: &Path) -> Result<Vec<Line>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = || read_all(&mut locked(path)?);
    read().map(|(lines, _)| lines).map_err(|error| failed("read", path, error))
}

/// Clears the requests up to a number away, but for the last line.
pub(crate) fn clear(path: &Path, number: u64) -> Result<(), Error> {
    let clear = || -> std::io::Result<()> {
        let mut file = locked(path)?;
        let (lines, _) = read_all(&mut file)?;
        let last = lines.len().saturating_sub(1);
        let kept = lines.iter().enumerate().filter(|(at, line)| *at == last || line.number > number);
        let text = kept.map(|(_, line)| json(line)).collect::<std::io::Result<String>>()?;
        file.seek(SeekFrom::Start(0))?;
        // Shorter than before and beginning with whole lines: a crash in between leaves lines that are done again.
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)?;
        file.sync_all()
    };
    clear().map_err(|error| failed("clear", path, error))
}

fn locked(path: &Path) -> std::io::Result<File> {
    let file = private_file().open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Every whole line, and the length up to which they go.
fn read_all(file: &mut File) -> std::io::Result<(Vec<Line>, u64)> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut text)?;
    let (mut lines, mut whole): (Vec<Line>, u64) = (Vec::new(), 0);
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let Ok(line_read) = serde_json::from_str::<Line>(line) else { break };
        if lines.last().is_some_and(|last| last.number >= line_read.number) {
            break;
        }
        whole += line.len() as u64;
        lines.push(line_read);
    }
    Ok((lines, whole))
}

fn json(line: &Line) -> std::io::Result<String> {
    Ok(serde_json::to_string(line)? + "\n")
}

fn failed(attempt: &str, path: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot {attempt} the requests in {}", path.display());
    Error::new(ErrorClass::Transient, message).with_cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_what_was_done_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("p")).unwrap();
        let path = dir.path().join("p/requests.jsonl");
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        ask(dir.path(), "p", Action::Replay, &ids(&["a", "b", "c"])).unwrap();
        let asked = |number| -> Vec<String> {
            after(&path, number, 10).unwrap().into_iter().map(|(line, _)| line.id).collect()
        };
        let first = up_to(&path, u64::MAX).unwrap()[0].number;
        assert_eq!(asked(first), ["b", "c"]);
        let last = first + 2;
        clear(&path, last).unwrap();
        assert_eq!(asked(last), [] as [&str; 0]);
        ask(dir.path(), "p", Action::Drop, &ids(&["d"])).unwrap();
        assert_eq!(asked(last), ["d"]);
        // A torn line is written over.
        let torn = std::fs::read_to_string(&path).unwrap() + "{\"number\":5,\"act";
        std::fs::write(&path, torn).unwrap();
        ask(dir.path(), "p", Action::Drop, &ids(&["e"])).unwrap();
        assert_eq!(asked(last), ["d", "e"]);
        // So is a list that is gone.
        let last = up_to(&path, u64::MAX).unwrap()[2].number;
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        ask(dir.path(), "p", Action::Replay, &ids(&["f"])).unwrap();
        assert_eq!(asked(last), ["f"]);
    }

    #[test]
    fn a_letter_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("p")).unwrap();
        let path = dir.path().join("p/requests.jsonl");
        for ids in [["a", "b"], ["b", "c"]] {
            ask(dir.path(), "p", Action::Replay, &ids.map(str::to_owned)).unwrap();
        }
        let firsts = |number| -> Vec<(String, bool)> {
            after(&path, number, 10).unwrap().into_iter().map(|(line, first)| (line.id, first)).collect()
        };
        let expected = [("a", true), ("b", true), ("b", false), ("c", true)];
        assert_eq!(firsts(0), expected.map(|(id, first)| (id.to_owned(), first)));
        let second = up_to(&path, u64::MAX).unwrap()[1].number;
        assert_eq!(
            firsts(second),
            expected[2..].iter().map(|(id, first)| ((*id).to_owned(), *first)).collect::<Vec<_>>()
        );
    }
}

//! Which files are complete although the checkpoint still knows of them: written beside the files, before they get their
//! name.
//!
//! A reader may take a file away as soon as it has its name, but the checkpoint forgets it with the next window, which
//! may never come. What stands here may be gone at a restart. What does not was lost.
//!
//! Invariant: no exact file gets the name of a complete one before it is noted here, durably, with its length.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sluicebox_core::Result;

use crate::file::fault::classify;
use crate::file::mark::Mark;
use crate::file::store::{Entry, Known};

/// The notes of one sink: a line for each time that files were completed since the checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    path: PathBuf,
}

/// Files that were completed together.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    life: String,
    /// The last window before that.
    after: u64,
    files: Vec<Done>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    complete: PathBuf,
    length: u64,
}

/// What the notes say at a restart.
pub(crate) struct Noted(Vec<Line>);

impl Finished {
    /// The notes of a sink, in the folder that its files do not leave.
    pub(crate) fn new(folder: &Path, pipeline: &str, sink: &str) -> Self {
        Self { path: folder.join(format!(".{pipeline}.{sink}.finished.sluicebox-journal")) }
    }

    /// Notes files that will get their names now, after window `after`. Notes of earlier windows count no more: the
    /// checkpoint of this one has forgotten those files.
    pub(crate) fn record(&self, life: &str, after: u64, entries: &[&Entry]) -> Result<()> {
        let done = |entry: &&Entry| Some(Done { complete: entry.complete.clone()?, length: entry.length });
        let files = entries.iter().filter_map(done).collect();
        self.write(&Line { life: life.to_owned(), after, files })
            .map_err(|error| classify(error, "write", &self.path))
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let found = self.read()?;
        let lines = understood(&found);
        let goes_on = lines.iter().any(|other| (&other.life, other.after) == (&line.life, line.after));
        sluicebox_durable::make(self.path.parent().unwrap_or(Path::new("")))?;
        let is_new = !self.path.exists();
        let mut options = OpenOptions::new();
        let mut file = if goes_on {
            options.append(true).open(&self.path)?
        } else {
            options.write(true).create(true).truncate(true).open(&self.path)?
        };
        if !lines.contains(line) {
            // After a torn line the next one begins on a line of its own.
            let mut bytes = if goes_on && !found.ends_with(b"\n") { vec![b'\n'] } else { Vec::new() };
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
            file.write_all(&bytes)?;
        }
        file.sync_data()?;
        if is_new { sluicebox_durable::sync_name(&self.path) } else { Ok(()) }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        match std::fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            found => found,
        }
    }

    /// What was noted since this mark.
    pub(crate) fn since(&self, mark: &Mark) -> Result<Noted> {
        let found = self.read().map_err(|error| classify(error, "read", &self.path))?;
        let mut lines = understood(&found);
        lines.retain(|line| line.life == mark.life && line.after >= mark.window);
        Ok(Noted(lines))
    }
}

impl Noted {
    /// Whether the file that a mark knows was complete as the mark knows it.
    pub(crate) fn holds(&self, known: &Known) -> bool {
        let mut files = self.0.iter().flat_map(|line| &line.files);
        files.any(|done| Some(&done.complete) == known.complete.as_ref() && done.length == known.length)
    }
}

/// All lines but torn ones: what they were to hold got no name.
fn understood(bytes: &[u8]) -> Vec<Line> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(after: u64, name: &str) -> Line {
        let files = vec![Done { complete: PathBuf::from(name), length: 7 }];
        Line { life: "x".to_owned(), after, files }
    }

    fn holds(finished: &Finished, (life, window): (&str, u64), name: &str, length: u64) -> bool {
        let mut mark = Mark::new(String::new(), life.to_owned());
        mark.window = window;
        let known = Known {
            active: PathBuf::from("part"),
            complete: Some(PathBuf::from(name)),
            begun: sluicebox_core::Timestamp::default(),
            length,
        };
        finished.since(&mark).unwrap().holds(&known)
    }

    #[test]
    fn a_note_counts_for_its_life_its_window_its_name_and_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let finished = Finished::new(&folder.path().join("new"), "p", "s");
        assert!(!holds(&finished, ("x", 4), "a", 7));
        finished.write(&line(4, "a")).unwrap();
        assert!(holds(&finished, ("x", 4), "a", 7));
        for (mark, name, length) in
            [(("y", 4), "a", 7), (("x", 5), "a", 7), (("x", 4), "b", 7), (("x", 4), "a", 8)]
        {
            assert!(!holds(&finished, mark, name, length), "{mark:?} {name} {length}");
        }
    }

    #[test]
    fn notes_of_one_window_add_up_past_a_torn_one_and_those_before_go() {
        let folder = tempfile::tempdir().unwrap();
        let finished = Finished::new(folder.path(), "p", "s");
        finished.write(&line(4, "a")).unwrap();
        let mut torn = std::fs::read(&finished.path).unwrap();
        torn.extend_from_within(..torn.len() / 2);
        std::fs::write(&finished.path, torn).unwrap();
        finished.write(&line(4, "b")).unwrap();
        let length = std::fs::metadata(&finished.path).unwrap().len();
        finished.write(&line(4, "b")).unwrap();
        assert_eq!(std::fs::metadata(&finished.path).unwrap().len(), length, "said once");
        assert!(holds(&finished, ("x", 4), "a", 7) && holds(&finished, ("x", 4), "b", 7));
        finished.write(&line(5, "c")).unwrap();
        assert!(holds(&finished, ("x", 5), "c", 7));
        assert_eq!(understood(&std::fs::read(&finished.path).unwrap()).len(), 1);
    }
}

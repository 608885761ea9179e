//! A file of JSON lines: one write and one `fdatasync` a window, against the `file` sink.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::Destination;
use super::events::Prepared;
use crate::Outcome;

/// A file in the folder where the program runs.
pub(crate) struct Jsonl {
    path: PathBuf,
}

impl Jsonl {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join("out.jsonl") }
    }
}

impl Destination for Jsonl {
    fn make(&mut self) -> Outcome {
        Ok(())
    }

    fn sink(&self) -> String {
        "{ type: file, inputs: [feed], path: out.jsonl }".to_owned()
    }

    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome {
        let mut file = File::create(&self.path)?;
        let mut lines = Vec::new();
        for (count, window) in events.windows(total) {
            lines.clear();
            for event in &*window {
                lines.extend_from_slice(event.json.get().as_bytes());
                lines.push(b'\n');
            }
            file.write_all(&lines)?;
            file.sync_data()?;
            note(count);
        }
        Ok(())
    }

    fn count(&mut self) -> Outcome<u64> {
        let mut lines = BufReader::new(File::open(&self.path)?);
        let mut count = 0;
        while lines.skip_until(b'\n')? > 0 {
            count += 1;
        }
        Ok(count)
    }

    fn remove(&mut self) -> Outcome {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

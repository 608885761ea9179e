//! The `file` source: its options, which are its reference page.
//!
//! Invariant: every whole line is an event or a dead letter; what a line's number is in its file never matters, only
//! where it begins.

mod decode;
mod entry;
mod feed;
mod found;
mod pages;
mod probe;
mod reader;
mod rows;
mod tracked;
mod watch;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, Period, Probe, Problem, Reject, Result,
    SourceClass, SourceSpec,
};

use crate::item::Origin;
use crate::line_event::{Line, LineEventOptions, LinePaths, trimmed};
use decode::Decoder;
use feed::FileFeed;
use pages::Pages;

/// Reads files of JSON lines or comma-separated values, and what is written to them while it runs.
///
/// Every line that is a JSON object becomes one event, byte for byte; every row of a csv file an object with a text for
/// each column of its header. `meta.id` is `file:<account>:<file>:<offset>`, with a number that stands for the file and
/// the place where the line begins; `meta.type` and `meta.time` come from `event`, `meta.key` is the account. Blank lines
/// are passed over. A line that is no JSON object, or a row with another number of cells, becomes a dead letter
/// (`parse`), and so does a line longer than `max_line` (`too_large`, with its beginning); the file goes on.
///
/// Files are read one after the other, the oldest first. One that ends in `.gz` is unpacked. A last line without a line
/// end waits for it while `tail` is true; with `tail: false`, and in a `.gz`, it is a line.
///
/// The cursor holds each file by its device and inode, the place and what it begins with, so a file may be renamed while it is read
/// or between two runs, and what is not read of it yet still is, whether its new name matches `path` or not. A file that
/// is cut short (`copytruncate`) is read from its beginning; what was not read before is looked for in a copy beside it
/// whose name begins with its own, packed or not. A file that is gone is forgotten; if lines of it were not read, that is
/// logged as an error and counted as a gap. See the guide to files for what cannot be told.
///
/// A file that may not be read pauses the source, once everything else is read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "path": "logs/*.jsonl" }))]
pub struct FileSource {
    /// A file, or a pattern: `*` and `?` for a part of a name, `[ab]` for one of some characters, `**` for any folders.
    /// Relative to the working directory. A name that begins with a dot matches only if the pattern says so.
    #[schemars(length(min = 1), example = &"logs/*.jsonl")]
    pub path: String,
    /// What is in them. Unset: `csv` if `path` ends in `.csv`, `.tsv` or those with `.gz`, else `jsonl`.
    #[serde(default)]
    pub format: Option<FileFormat>,
    /// What parts the cells of a row, one ASCII character. Unset: a comma, and a tab if `path` ends in `.tsv`.
    #[serde(default)]
    #[schemars(example = &";")]
    pub delimiter: Option<char>,
    /// Whether lines and files that come later are read. With `false` the source ends at the end of the files that are
    /// there, as with `run --once`, and a pipeline that has only such sources ends with it.
    #[serde(default = "default_tail")]
    pub tail: bool,
    /// Where the very first run begins: `beginning`, or `now` for what is written from then on. Files that come later are
    /// read from their beginning.
    #[serde(default)]
    pub start: FileStart,
    /// Where a line says what it is.
    #[serde(default)]
    #[schemars(example = event_example())]
    pub event: LineEventOptions,
    /// Longest line (or row); a longer one is a dead letter.
    #[serde(default = "default_max_line")]
    pub max_line: ByteSize,
    /// Time between two looks at the files while there is nothing new, give or take ten percent; at least 10ms.
    #[serde(default = "default_interval")]
    pub interval: Period,
    /// Most files at a time; the cursor, which is saved with every page, holds some 150 bytes for each.
    #[serde(default = "default_max_files")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_files: usize,
}

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// A JSON object a line.
    Jsonl,
    /// Rows of comma-separated values (RFC 4180) below a header that names the columns.
    Csv,
}

/// Where the very first run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileStart {
    /// With everything that is there.
    #[default]
    Beginning,
    /// With what is written from then on.
    Now,
}

fn event_example() -> serde_json::Value {
    serde_json::json!({ "type": "type", "time": "createdAt" })
}

fn default_tail() -> bool {
    true
}

fn default_max_line() -> ByteSize {
    ByteSize(1 << 20)
}

fn default_interval() -> Period {
    Period(Duration::from_secs(1))
}

fn default_max_files() -> usize {
    1000
}

impl FileSource {
    /// The end of the name, without that of a packed file.
    fn ends_in(&self, ending: &str) -> bool {
        let path = self.path.to_ascii_lowercase();
        path.strip_suffix(".gz").unwrap_or(&path).ends_with(ending)
    }

    fn format(&self) -> FileFormat {
        let is_table = self.ends_in(".csv") || self.ends_in(".tsv");
        self.format.unwrap_or(if is_table { FileFormat::Csv } else { FileFormat::Jsonl })
    }

    /// What parts cells, if there are any.
    fn cell_delimiter(&self) -> Option<u8> {
        let unsaid = if self.ends_in(".tsv") { '\t' } else { ',' };
        let delimiter = u8::try_from(self.delimiter.unwrap_or(unsaid)).unwrap_or(b',');
        (self.format() == FileFormat::Csv).then_some(delimiter)
    }

    fn paths(&self, problems: &mut Vec<Problem>) -> LinePaths {
        LinePaths::compile(&self.event, Self::TYPE, problems)
    }
}

#[async_trait]
impl SourceSpec for FileSource {
    const TYPE: &'static str = "file";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn has_own_partitions(&self) -> bool {
        true
    }

    fn ends(&self) -> bool {
        !self.tail
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.path.is_empty() {
            problems.push(Problem::new("path", "expected a path, found nothing"));
        } else if let Err(error) = glob::Pattern::new(&self.path) {
            problems.push(Problem::new("path", format!("`{}` is no pattern: {error}", self.path)));
        }
        let is_table = self.format() == FileFormat::Csv;
        match self.delimiter {
            Some(_) if !is_table => {
                problems.push(
                    Problem::new("delimiter", "lines of JSON have no cells").with_help("add `format: csv`"),
                );
            }
            Some(delimiter) if !delimiter.is_ascii() || "\r\n\"".contains(delimiter) => {
                let message = format!("expected one ASCII character, found `{}`", delimiter.escape_default());
                problems.push(Problem::new("delimiter", message));
            }
            _ => {}
        }
        if self.interval.0 < Duration::from_millis(10) {
            problems
                .push(Problem::new("interval", format!("expected at least 10ms, found {}", self.interval)));
        }
        if !(1..=100_000).contains(&self.max_files) {
            problems
                .push(Problem::new("max_files", format!("expected 1 to 100000, found {}", self.max_files)));
        }
        if !(1024..=1 << 28).contains(&self.max_line.as_usize()) {
            problems
                .push(Problem::new("max_line", format!("expected 1KiB to 256MiB, found {}", self.max_line)));
        }
        self.paths(&mut problems);
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        let now = cx.environment.clock.now();
        let line = Line { id: &format!("{:x}", crate::line_event::digest(item)), text: trimmed(item) };
        Some(self.paths(&mut Vec::new()).event(&line, &Origin::new(Self::TYPE, cx), now))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let mut problems = Vec::new();
        let paths = self.paths(&mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(Error::config(problem.message));
        }
        let decoder = Decoder {
            origin: Origin::new(Self::TYPE, cx),
            paths,
            delimiter: self.cell_delimiter(),
            max_record: self.max_line.as_usize(),
        };
        Ok(BuiltSource::single(FileFeed::new(Pages::new(self, decoder, cx))))
    }

    async fn probe(&self, _cx: &Context) -> Probe {
        let options = self.clone();
        let looked = tokio::task::spawn_blocking(move || probe::probe(&options)).await;
        looked.unwrap_or_else(|error| {
            let mut probe = Probe::new();
            probe.wrong("path", Error::permanent("looking at files was interrupted").with_cause(error));
            probe
        })
    }
}

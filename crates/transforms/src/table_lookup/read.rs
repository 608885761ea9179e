//! From a file to a table, and how a change of the file is noticed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::fault::Fault;
use super::table::Table;
use super::{TableFormat, TableLookup, csv, json, parquet, sqlite};

/// Reads the table again and again. Everything here blocks.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    options: TableLookup,
    path: PathBuf,
}

/// What tells one state of a file from the next: time of the last change and size, of the file and of what SQLite
/// writes ahead of it. Nothing where there is no file.
pub(super) type Signature = [Option<(SystemTime, u64)>; 2];

/// What is in the file, as the options or its ending say.
pub(super) fn format(options: &TableLookup) -> Option<TableFormat> {
    let ending = Path::new(&options.file).extension().and_then(|ending| ending.to_str());
    options.format.or(match ending?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Some(TableFormat::Csv),
        "json" => Some(TableFormat::Json),
        "jsonl" | "ndjson" => Some(TableFormat::Jsonl),
        "parquet" => Some(TableFormat::Parquet),
        "db" | "sqlite" | "sqlite3" => Some(TableFormat::Sqlite),
        _ => None,
    })
}

impl Reader {
    /// `folder` is that of the pipeline file.
    pub(super) fn new(options: &TableLookup, folder: &Path) -> Self {
        Self { options: options.clone(), path: folder.join(&options.file) }
    }

    pub(super) fn signature(&self) -> Signature {
        let look = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let mut ahead = self.path.clone().into_os_string();
        ahead.push("-wal");
        [look(&self.path), look(Path::new(&ahead))]
    }

    pub(super) fn read(&self) -> Result<Table, Fault> {
        if format(&self.options) == Some(TableFormat::Sqlite) {
            return sqlite::read(&self.options, &self.path);
        }
        let unreadable = |error: std::io::Error| Fault::new(format!("it cannot be read: {error}"));
        let size = std::fs::metadata(&self.path).map_err(unreadable)?.len();
        if size > self.options.max_bytes.0.saturating_mul(4) {
            let fault = Fault::new(format!("the file has {size} bytes, more than four times `max_bytes`"));
            return Err(fault.with_help("raise `max_bytes`, or look up with `sql_lookup`"));
        }
        if format(&self.options) == Some(TableFormat::Parquet) {
            return parquet::read(&self.options, std::fs::File::open(&self.path).map_err(unreadable)?);
        }
        self.read_text(&std::fs::read(&self.path).map_err(unreadable)?)
    }

    pub(super) fn read_text(&self, text: &[u8]) -> Result<Table, Fault> {
        match format(&self.options) {
            Some(TableFormat::Json) => json::read(&self.options, text),
            Some(TableFormat::Jsonl) => json::read_lines(&self.options, text),
            _ => csv::read(&self.options, text),
        }
    }
}

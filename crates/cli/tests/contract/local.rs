//! Destinations on this machine's disk: SQLite, read back by the sqlite3 tool, and files.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::contract;
use sluicebox_testkit::contract::{Destination, Promise, Refused};

/// A SQLite database in a folder of its own.
pub(crate) struct Sqlite {
    folder: tempfile::TempDir,
}

impl Sqlite {
    /// None where the tool that reads it back is not wanted.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        sluicebox_services::sqlite3(":memory:", "SELECT 1").map(|_| Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.db")
    }
}

impl Destination for Sqlite {
    fn options(&self) -> String {
        format!("type: sqlite, path: \"{}\", table: events", self.path().display())
    }

    fn promise(&self) -> Promise {
        Promise::ExactlyOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        let text = sluicebox_services::sqlite3(self.path(), "SELECT event FROM events ORDER BY rowid");
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// A table whose constraint one event breaks.
    fn refused(&self) -> Option<Refused> {
        let names = "_event_id, _source, _account, _type, _event_time, _received_at, _loaded_at, _pipeline";
        let check = "event TEXT CHECK (json_extract(event, '$.data.n') <> 'many')";
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.execute_batch(&format!("CREATE TABLE events ({names}, {check})")).unwrap();
        Some(Refused { data: r#"{"n":"many"}"#.to_owned(), options: String::new(), reason: "rejected" })
    }
}

/// Files in a folder of their own, with or without the promise.
pub(crate) struct File {
    folder: tempfile::TempDir,
    promise: Promise,
    /// The path inside the folder.
    path: &'static str,
    /// Options beside it, beginning with a comma; or nothing.
    options: &'static str,
}

impl File {
    fn new(promise: Promise) -> Self {
        Self::shaped(promise, "out.jsonl", "")
    }

    fn shaped(promise: Promise, path: &'static str, options: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), promise, path, options }
    }

    /// What a reader of the folder finds, by name.
    fn visible(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let visible = entries.filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.'));
        let mut paths: Vec<PathBuf> = visible.map(|entry| entry.path()).collect();
        // Complete files come before the one that is still written.
        paths.sort();
        paths
    }
}

/// What other code than the sink's reads in a file.
fn unpacked(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let bytes = match path.extension().and_then(OsStr::to_str) {
        Some("gz") => {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
            text
        }
        Some("zst") => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    };
    String::from_utf8(bytes).unwrap()
}

impl Destination for File {
    fn options(&self) -> String {
        let delivery = match self.promise {
            Promise::ExactlyOnce => "exactly_once",
            Promise::AtLeastOnce => "at_least_once",
        };
        let path = self.folder.path().join(self.path);
        format!("type: file, path: \"{}\", delivery: {delivery}{}", path.display(), self.options)
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn arrived(&mut self) -> Vec<String> {
        let texts = self.visible().into_iter().map(|path| unpacked(&path));
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

contract!(sqlite, Sqlite::new(), [whole, killed, stopped_and_resumed, rejected, taken_over]);
contract!(exact_file, Some(File::new(Promise::ExactlyOnce)), [whole, killed, stopped_and_resumed]);
contract!(plain_file, Some(File::new(Promise::AtLeastOnce)), [whole, killed, stopped_and_resumed]);
contract!(
    gzip_exact,
    Some(File::shaped(Promise::ExactlyOnce, "out.jsonl.gz", ", compression: gzip")),
    [whole, killed, stopped_and_resumed]
);
contract!(
    zstd_plain,
    Some(File::shaped(Promise::AtLeastOnce, "out.jsonl.zst", ", compression: zstd")),
    [whole, killed, stopped_and_resumed]
);
contract!(
    templated_exact,
    Some(File::shaped(Promise::ExactlyOnce, "{{ event.type }}.jsonl", ", max_open_files: 2")),
    [whole, killed, stopped_and_resumed]
);
contract!(
    parts,
    Some(File::shaped(
        Promise::ExactlyOnce,
        "out.jsonl.gz",
        ", compression: gzip, parts: true, rotate: { size: 4KiB, every: 1s }"
    )),
    [whole, killed, stopped_and_resumed]
);

//! One file that is being read: what is saved of it, what the last look showed, and its open end.
//!
//! Invariant: what is saved moves only with a page that is handed out.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use super::found::{Found, created};
use super::reader::{Manner, Page, Reader, is_packed};
use super::rows::Header;
use crate::splitter::{Place, Record};

/// Where a file is, as far as the path of the source is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It matches.
    Here,
    /// It was renamed, or removed while it is open; nothing has come since then.
    Away { quiet_since: Duration },
}

/// Why a file cannot be read on.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    /// Whether trying again may help.
    pub(super) may_pass: bool,
}

/// A file that is being read.
pub(super) struct Tracked {
    pub(super) entry: Entry,
    pub(super) whereabouts: Whereabouts,
    /// What the last look showed: size and time.
    pub(super) shown: (u64, i128),
    /// Whether all that the last look showed has been read.
    pub(super) is_read: bool,
    pub(super) fault: Option<Fault>,
    pub(super) header: Option<Arc<Header>>,
    reader: Option<Reader>,
}

impl Tracked {
    pub(super) fn new(entry: Entry) -> Self {
        Self {
            entry,
            whereabouts: Whereabouts::Here,
            shown: (0, 0),
            is_read: false,
            fault: None,
            header: None,
            reader: None,
        }
    }

    /// The same file, read again from an earlier place.
    pub(super) fn back_to(self, entry: Entry) -> Self {
        let reader = self.reader.and_then(|reader| reader.back_to(entry.place()).ok());
        Self { reader, header: self.header, ..Self::new(entry) }
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(&self.entry.path)
    }

    /// Takes down what a look shows: the file is here, perhaps under another name.
    pub(super) fn meet(&mut self, found: &Found) {
        self.entry.path = text(&found.path);
        self.whereabouts = Whereabouts::Here;
        let shown = (found.size, found.modified);
        if self.shown != shown {
            self.is_read = false;
            if is_packed(&found.path) {
                // A stream that ended is begun again.
                self.reader = None;
            }
        }
        if self.fault.take().is_some() {
            self.is_read = false;
        }
        self.shown = shown;
    }

    /// Goes on in another file that holds the same: a copy, or what was written in its place.
    pub(super) fn adopt(&mut self, found: &Found) {
        self.reader = None;
        self.entry.node = found.node;
        self.shown = (0, 0);
        self.meet(found);
    }

    /// It no longer matches; what is still written to it counts for a while.
    pub(super) fn leave(&mut self, now: Duration) {
        if self.whereabouts == Whereabouts::Here {
            self.whereabouts = Whereabouts::Away { quiet_since: now };
        }
        self.is_read = false;
    }

    /// Whether the file itself is open and has a name somewhere.
    pub(super) fn is_open_and_alive(&self) -> bool {
        let metadata = self.reader.as_ref().and_then(|reader| reader.file().metadata().ok());
        metadata.is_some_and(|metadata: Metadata| {
            metadata.nlink() > 0 && (metadata.dev(), metadata.ino()) == self.entry.node
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// The next records, from where it stands. `is_complete`: a last line without an end is a line.
    pub(super) fn page(&mut self, manner: Manner, is_complete: bool) -> Result<Page, Fault> {
        let is_complete = is_complete || is_packed(self.path());
        let path = self.path().display().to_string();
        let page = self.try_page(manner, is_complete).map_err(|error| match error {
            Trouble::Header(why) => Fault { message: format!("{path}: {why}"), may_pass: false },
            Trouble::Io(error) => fault(&path, &error),
        });
        if page.is_err() {
            self.reader = None;
        }
        page
    }

    fn try_page(&mut self, manner: Manner, is_complete: bool) -> Result<Page, Trouble> {
        if manner.delimiter.is_some() && self.header.is_none() && !self.read_header(manner, is_complete)? {
            return Ok(Page { is_at_end: true, ..Page::default() });
        }
        let place = self.entry.place();
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(Reader::open(Path::new(&self.entry.path), place, manner)?),
        };
        let page = reader.page(is_complete)?;
        if let (0, Some(first)) = (self.entry.id, page.records.first()) {
            let created = created(&reader.file().metadata()?);
            self.entry.name(created, &first.text[..first.text.len().min(1024)]);
        }
        self.entry.stand_at(reader.place());
        Ok(page)
    }

    /// Reads the first row, which is no event; false if it is not whole yet.
    fn read_header(&mut self, manner: Manner, is_complete: bool) -> Result<bool, Trouble> {
        let mut reader = Reader::open(self.path(), Place::default(), manner)?;
        let Some(Record { text, is_too_long, .. }) = reader.record(is_complete)? else { return Ok(false) };
        if is_too_long {
            return Err(Trouble::Header("the first line is longer than `max_line`".to_owned()));
        }
        let delimiter = manner.delimiter.unwrap_or(b',');
        self.header = Some(Arc::new(Header::parse(&text, delimiter).map_err(Trouble::Header)?));
        let after = reader.place();
        if self.entry.offset < after.offset {
            self.entry.stand_at(after);
        }
        Ok(true)
    }

    /// Passes over all that is there.
    pub(super) fn pass_over(&mut self, manner: Manner) -> Result<(), Fault> {
        while !self.page(manner, false)?.is_at_end {}
        Ok(())
    }
}

enum Trouble {
    Io(io::Error),
    Header(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn fault(path: &str, error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            Fault { message: format!("{path} ends in the middle of what was packed"), may_pass: true }
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Fault { message: format!("{path} is not gzip: {error}"), may_pass: false }
        }
        kind => {
            let may_pass = kind != ErrorKind::PermissionDenied;
            Fault { message: format!("{path} cannot be read: {error}"), may_pass }
        }
    }
}

/// A path as it is saved; those that are no text are never found.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

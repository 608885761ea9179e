//! Reads files page by page: one to its end, then the next, then a look at what has come.
//!
//! Invariant: a page is of one file, and the cursor after it holds every file; what has not been handed out is read again
//! after a restart.

use std::time::Duration;

use sluicebox_core::{Batch, Context, Cursor, Environment, Error, Result};

use super::decode::{Decoder, Records};
use super::found::is_pattern;
use super::reader::{Manner, Page};
use super::tracked::Whereabouts;
use super::watch::Watch;
use super::{FileSource, FileStart, entry};
use crate::pace;

/// How long a file that was rotated away is looked at after its last line: its writer may not know yet.
const LINGER: Duration = Duration::from_secs(5);

/// The files of one source.
pub(super) struct Pages {
    options: FileSource,
    manner: Manner,
    decoder: Decoder,
    environment: Environment,
    watch: Watch,
    /// The file that is read.
    turn: usize,
    /// Whether the folders were looked at since the last page.
    has_looked: bool,
    /// Whether the start has been decided.
    has_begun: bool,
}

impl Pages {
    pub(super) fn new(options: FileSource, decoder: Decoder, cx: &Context) -> Self {
        let manner = Manner { delimiter: decoder.delimiter, max_record: decoder.max_record };
        let watch = Watch::new(options.path.clone());
        let environment = cx.environment.clone();
        Self { options, manner, decoder, environment, watch, turn: 0, has_looked: false, has_begun: false }
    }

    fn look(&mut self) -> Result<()> {
        self.watch.look(self.environment.clock.elapsed()).map_err(Error::config)?;
        self.has_looked = true;
        let count = self.watch.files.len();
        if count > self.options.max_files {
            let message =
                format!("{} are {count} files, more than {}", self.options.path, self.options.max_files);
            return Err(Error::config(message)
                .with_help("write a narrower pattern, move finished files away, or raise `max_files`"));
        }
        if !self.has_begun {
            self.has_begun = true;
            if self.options.start == FileStart::Now {
                self.pass_over();
            }
        }
        Ok(())
    }

    /// Passes over what is there at the first start.
    fn pass_over(&mut self) {
        for file in &mut self.watch.files {
            file.fault = file.pass_over(self.manner).err();
        }
    }

    /// The next page of any file that has one.
    fn page(&mut self) -> Option<Batch> {
        let now = self.environment.clock.elapsed();
        let count = self.watch.files.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let file = &mut self.watch.files[index];
            if file.is_read || file.fault.is_some() {
                continue;
            }
            match file.page(self.manner, !self.options.tail) {
                Ok(page) => {
                    file.is_read = page.is_at_end;
                    if page.records.is_empty() && page.is_at_end {
                        continue;
                    }
                    if let Whereabouts::Away { quiet_since } = &mut file.whereabouts {
                        *quiet_since = now;
                    }
                    self.turn = index;
                    return Some(self.batch(index, page));
                }
                Err(fault) => file.fault = Some(fault),
            }
        }
        None
    }

    fn batch(&mut self, index: usize, page: Page) -> Batch {
        let file = &self.watch.files[index];
        let records = Records { list: page.records, file_id: file.entry.id, header: file.header.clone() };
        let mut batch = Batch::empty(Some(self.cursor()));
        // A line that is passed over fills no page.
        if !records.list.is_empty() {
            batch.unread = Some(self.decoder.unread(records, self.environment.clock.now()));
        }
        batch.gap = self.watch.gap.take();
        self.has_looked = false;
        batch
    }

    fn cursor(&self) -> Cursor {
        entry::to_cursor(self.watch.files.iter().map(|file| &file.entry))
    }

    /// Nothing is left to read at this moment.
    fn rest(&mut self) -> Result<Option<Batch>> {
        self.has_looked = false;
        if let Some(fault) = self.watch.files.iter().find_map(|file| file.fault.as_ref()) {
            let message = fault.message.clone();
            let error = if fault.may_pass { Error::transient(message) } else { Error::permanent(message) };
            return Err(error
                .with_reason("unreadable")
                .with_help("every other file is read; mend or move this one"));
        }
        if !self.options.tail {
            if self.watch.files.is_empty() && !is_pattern(&self.options.path) {
                return Err(Error::config(format!("there is no file {}", self.options.path))
                    .with_reason("unreadable")
                    .with_help("with `tail: true` it would be waited for"));
            }
            return Ok(None);
        }
        let now = self.environment.clock.elapsed();
        self.watch.files.retain(|file| match file.whereabouts {
            Whereabouts::Here => true,
            Whereabouts::Away { quiet_since } => now.saturating_sub(quiet_since) < LINGER,
        });
        self.turn = 0;
        let mut batch = Batch::empty(Some(self.cursor()));
        batch.gap = self.watch.gap.take();
        batch.caught_up = true;
        batch.pace = pace::after(self.options.interval.0, &*self.environment.chance);
        Ok(Some(batch))
    }
}

impl Pages {
    /// Stands at what was saved.
    pub(super) fn stand_at(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let entries = saved.map(entry::from_cursor).transpose()?;
        self.has_begun = entries.is_some();
        self.watch.stand_at(entries.unwrap_or_default());
        (self.turn, self.has_looked) = (0, false);
        self.look()
    }

    /// The next page, or `None` at the end of files that are complete.
    pub(super) fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.page() {
                return Ok(Some(batch));
            }
            if self.has_looked {
                return self.rest();
            }
            self.look()?;
        }
    }
}

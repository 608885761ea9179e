//! Files exactly once: the checkpoint holds their lengths together with the position, and a restart cuts them back.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Clock, Event, Result, ResumableSink, Sink, Timestamp, Written};

use crate::file::batch::{Worker, group};
use crate::file::compression::Compression;
use crate::file::encoding::Encoding;
use crate::file::finished::Finished;
use crate::file::mark::{FileMark, Journal, Mark};
use crate::file::paths::Paths;
use crate::file::store::{Entry, Layout, Notes, Store};

/// Appends to files and can return to their lengths.
pub(crate) struct ExactFiles {
    paths: Arc<Paths>,
    encoding: Encoding,
    clock: Arc<dyn Clock>,
    files: Worker<ExactState>,
}

/// Who writes, for the journal.
pub(crate) struct Identity {
    pub(crate) pipeline: Arc<str>,
    pub(crate) sink: Arc<str>,
    /// Different for every state that is begun.
    pub(crate) life: String,
    /// The path as the pipeline file has it.
    pub(crate) path: String,
}

struct ExactState {
    paths: Arc<Paths>,
    parts: bool,
    is_packed: bool,
    store: Store,
    journal: Journal,
    finished: Finished,
    /// Who we are, and how many windows were written.
    head: Mark,
    /// The mark at the first start, before anything was written; a restart without a mark returns to it.
    first: Option<Mark>,
}

impl ExactFiles {
    pub(crate) fn new(paths: Paths, layout: Layout, clock: Arc<dyn Clock>, identity: Identity) -> Self {
        let paths = Arc::new(paths);
        let encoding = layout.encoding.clone();
        let journal = Journal::new(&paths.folder(), &identity.pipeline, &identity.sink);
        let finished = Finished::new(&paths.folder(), &identity.pipeline, &identity.sink);
        let state = ExactState {
            paths: Arc::clone(&paths),
            parts: layout.parts,
            is_packed: layout.encoding.compression != Compression::None,
            store: Store::new(layout),
            journal,
            finished,
            head: Mark::new(identity.path, identity.life),
            first: None,
        };
        Self { paths, encoding, clock, files: Worker::new(state) }
    }
}

#[async_trait]
impl Sink for ExactFiles {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let unheard = self.files.settle().await;
        let (groups, rejected) = group(events, &self.encoding, |event| self.paths.of(event));
        let now = self.clock.now();
        let write = move |state: &mut ExactState| {
            if unheard {
                state.undo_last()?;
            }
            let (store, notes) = state.noting();
            store.append(&groups, now, &notes)?;
            state.head.window += 1;
            Ok(())
        };
        self.files.run(write).await?;
        Ok(Written::but(rejected))
    }

    /// Everything that was written and heard of is committed.
    async fn close(&mut self) -> Result<()> {
        let unheard = self.files.settle().await;
        let finish = move |state: &mut ExactState| {
            if unheard {
                state.undo_last()?;
            }
            let (store, notes) = state.noting();
            store.finish(&notes)
        };
        self.files.run(finish).await
    }
}

#[async_trait]
impl ResumableSink for ExactFiles {
    async fn restore(&mut self, mark: Option<&[u8]>) -> Result<()> {
        let mark = mark.map(Mark::read).transpose()?;
        let now = self.clock.now();
        self.files.settle().await;
        self.files.run(move |state| state.restore(mark, now)).await
    }

    fn mark(&self) -> Vec<u8> {
        self.files.look(ExactState::mark).to_bytes()
    }
}

/// Notes of what happens after the window that was written last.
struct After<'s> {
    journal: &'s Journal,
    finished: &'s Finished,
    head: &'s Mark,
}

impl Notes for After<'_> {
    fn before_writing(&self, entries: &[&Entry]) -> Result<()> {
        self.journal.record(&self.head.life, self.head.window, entries)
    }

    fn before_naming(&self, entries: &[&Entry]) -> Result<()> {
        self.finished.record(&self.head.life, self.head.window, entries)
    }
}

impl ExactState {
    fn noting(&mut self) -> (&mut Store, After<'_>) {
        let Self { store, journal, finished, head, .. } = self;
        (store, After { journal, finished, head })
    }

    fn mark(&self) -> Mark {
        let mut mark = self.head.clone();
        mark.files = self.store.entries().map(|(path, entry)| FileMark::new(path, entry)).collect();
        mark.given.clone_from(self.store.given());
        mark
    }

    /// Takes back a write that nobody has heard of.
    fn undo_last(&mut self) -> Result<()> {
        self.store.undo_last()?;
        self.head.window = self.head.window.saturating_sub(1);
        Ok(())
    }

    /// Cuts the files to the mark. Without a mark: to what was there when this sink first saw them.
    fn restore(&mut self, mark: Option<Mark>, now: Timestamp) -> Result<()> {
        self.store.let_go();
        self.store.advance(now);
        let is_first = mark.is_none() && self.first.is_none();
        if let Some(mut mark) = mark.or_else(|| self.first.clone()) {
            if mark.path != self.head.path {
                // The files of another path are left as they are, and so they are final.
                mark.files.clear();
            }
            if !mark.life.is_empty() {
                self.head.life.clone_from(&mark.life);
            }
            self.head.window = mark.window;
            self.adopt(mark)?;
        }
        if let Some(path) = self.paths.fixed().filter(|_| !self.parts) {
            self.store.begin(path)?;
            // A packed file without a byte is nothing that can be unpacked, so none is made before the first window.
            if !self.is_packed || path.exists() {
                self.store.open(path)?;
            }
        }
        if is_first {
            // The engine commits this mark before the first write.
            self.store.all_recorded();
            self.first = Some(self.mark());
        }
        Ok(())
    }

    fn adopt(&mut self, mut mark: Mark) -> Result<()> {
        for (name, begun) in std::mem::take(&mut mark.given) {
            self.store.give(name, begun);
        }
        let noted = self.finished.since(&mark)?;
        for file in std::mem::take(&mut mark.files) {
            let (path, known) = file.into_known();
            if noted.holds(&known) {
                let is_begun = self.journal.has_begun(&mark, &known.active)?;
                self.store.release(&path, &known, is_begun)?;
            } else {
                self.store.adopt(&path, &known)?;
            }
        }
        let is_known = |active: &Path| self.store.entries().any(|(_, entry)| entry.active == active);
        self.journal.undo(&mark, is_known)
    }
}

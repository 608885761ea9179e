//! The `file` source as the engine sees it: disks are waited for beside the runtime.
//!
//! Invariant: a page that was read for a poll that nobody waits for any more is handed out by the next one, and dropped
//! when the reading starts over.

use async_trait::async_trait;
use sluicebox_core::{Batch, Cursor, Error, Result, Source};
use tokio::task::{JoinHandle, spawn_blocking};

use super::pages::Pages;

/// What the thread beside the runtime gives back.
type Done = (Box<Pages>, Result<Option<Batch>>);

/// The files of one source.
pub(super) struct FileFeed {
    /// `None` while they are being read.
    pages: Option<Box<Pages>>,
    reading: Option<JoinHandle<Done>>,
}

impl FileFeed {
    pub(super) fn new(pages: Pages) -> Self {
        Self { pages: Some(Box::new(pages)), reading: None }
    }

    /// Waits for what is being read, and takes the files back.
    async fn wait(&mut self) -> Result<Option<Batch>> {
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let done = reading.await;
        self.reading = None;
        let (pages, result) = done.map_err(|error| {
            Error::permanent("reading files was interrupted").with_reason("unreadable").with_cause(error)
        })?;
        self.pages = Some(pages);
        result
    }

    /// Begins to work on the files, unless that is under way.
    fn begin(&mut self, work: impl FnOnce(&mut Pages) -> Result<Option<Batch>> + Send + 'static) {
        if let Some(mut pages) = self.pages.take() {
            self.reading = Some(spawn_blocking(move || {
                let result = work(&mut pages);
                (pages, result)
            }));
        }
    }
}

#[async_trait]
impl Source for FileFeed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        // What was read for the poll before comes again from the position.
        let _dropped = self.wait().await;
        let saved = saved.cloned();
        self.begin(move |pages| pages.stand_at(saved.as_ref()).map(|()| None));
        self.wait().await.map(drop)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.begin(Pages::next);
        self.wait().await
    }
}

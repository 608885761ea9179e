//! Files at least once: the checkpoint holds the position only.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Clock, Event, Result, Sink, Written};

use crate::file::batch::{Worker, group};
use crate::file::encoding::Encoding;
use crate::file::orphans;
use crate::file::paths::Paths;
use crate::file::store::{Layout, Store};

/// Appends each event to the file that the template names for it.
pub(crate) struct PlainFiles {
    paths: Paths,
    encoding: Encoding,
    clock: Arc<dyn Clock>,
    /// Whether parts that a crash has left have yet to be completed.
    looks_for_orphans: bool,
    files: Worker<Store>,
}

impl PlainFiles {
    pub(crate) fn new(paths: Paths, layout: Layout, clock: Arc<dyn Clock>) -> Self {
        let encoding = layout.encoding.clone();
        let looks_for_orphans = layout.parts;
        Self { paths, encoding, clock, looks_for_orphans, files: Worker::new(Store::new(layout)) }
    }

    async fn complete_orphans(&mut self) -> Result<()> {
        let encoding = self.encoding.clone();
        let fixed = self.paths.fixed().map(PathBuf::from);
        let folder = self.paths.folder();
        self.files.run(move |_| orphans::complete(&folder, fixed.as_deref(), &encoding)).await?;
        self.looks_for_orphans = false;
        Ok(())
    }
}

#[async_trait]
impl Sink for PlainFiles {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        // A batch that was written although nobody waited for it comes again: take the first one back.
        let unheard = self.files.settle().await;
        if self.looks_for_orphans {
            self.complete_orphans().await?;
        }
        let (groups, rejected) = group(events, &self.encoding, |event| self.paths.of(event));
        let now = self.clock.now();
        let write = move |files: &mut Store| {
            if unheard {
                files.undo_last()?;
            }
            files.append(&groups, now, &())
        };
        self.files.run(write).await?;
        Ok(Written::but(rejected))
    }

    async fn close(&mut self) -> Result<()> {
        self.files.settle().await;
        self.files.run(|files| files.finish(&())).await
    }
}

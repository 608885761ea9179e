//! Files at least once: any number of paths, the checkpoint holds the position.

use std::path::PathBuf;

use async_trait::async_trait;
use sluicebox_core::{Error, Event, Result, Sink, Written};
use sluicebox_rules::Template;

use crate::file::batch::{Worker, group};
use crate::file::files::Files;

/// Longest path that the operating system takes, in bytes.
const LONGEST_PATH: usize = 4095;

/// Appends each event to the file that the template names for it.
pub(crate) struct PlainFile {
    template: Template,
    /// The path, where it is the same for every event.
    fixed: Option<PathBuf>,
    envelope: bool,
    files: Worker<Files>,
}

impl PlainFile {
    pub(crate) fn new(template: Template, envelope: bool) -> Self {
        let fixed = template.is_fixed().then(|| PathBuf::from(template.literal_prefix()));
        Self { template, fixed, envelope, files: Worker::new(Files::default()) }
    }

    fn path_of(&self, event: &Event) -> Result<PathBuf> {
        if let Some(path) = &self.fixed {
            return Ok(path.clone());
        }
        let path = self.template.render(event).map_err(|error| error.to_error("the path of the file"))?;
        if path.len() > LONGEST_PATH {
            return Err(Error::permanent("the path of the file is too long"));
        }
        Ok(PathBuf::from(path))
    }
}

#[async_trait]
impl Sink for PlainFile {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        // A batch that was written although nobody waited for it comes again: take the first one back.
        let unheard = self.files.settle().await;
        let (groups, rejected) = group(events, self.envelope, |event| self.path_of(event));
        let write = move |files: &mut Files| {
            if unheard {
                files.undo_last()?;
            }
            files.append(&groups)
        };
        self.files.run(write).await?;
        Ok(Written::but(rejected))
    }

    async fn close(&mut self) -> Result<()> {
        self.files.settle().await;
        self.files
            .run(|files| {
                *files = Files::default();
                Ok(())
            })
            .await
    }
}

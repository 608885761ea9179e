//! The `spool` source: a folder into which other programs put one JSON file for each event.
//!
//! Invariant: one `next` is one look at the folder. Waiting, retrying and saving the cursor are the engine's.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    Batch, BuiltSource, CheckContext, Context, Cursor, DeadLetterError, Error, Event, Meta, Pace, Period,
    Problem, Reason, Reject, Result, Source, SourceClass, SourceSpec,
};

/// Reads the files of a folder that end in `.json`, in the order of their names, one event each.
///
/// Names must grow: a file whose name sorts before one that was read is never seen. `meta.id` is
/// `spool:<account>:<name>`, so it is the same whenever the file is read. A file that holds no JSON object becomes a dead
/// letter. Files stay where they are; who writes one gives it its name when it is whole.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spool {
    /// The folder, relative to the working directory.
    folder: PathBuf,
    /// Most files of one page.
    #[serde(default = "default_page")]
    #[schemars(range(min = 1))]
    page: usize,
    /// Time between two looks while there is nothing new.
    #[serde(default = "default_interval")]
    interval: Period,
}

fn default_page() -> usize {
    100
}

fn default_interval() -> Period {
    Period(std::time::Duration::from_secs(1))
}

#[async_trait]
impl SourceSpec for Spool {
    const TYPE: &'static str = "spool";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.page == 0 {
            problems.push(Problem::new("page", "expected 1 or more, found 0"));
        }
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        Ok(BuiltSource::single(SpoolReader { options: self, cx: cx.clone(), last: None }))
    }
}

struct SpoolReader {
    options: Spool,
    cx: Context,
    /// The name of the file that was read last.
    last: Option<String>,
}

#[async_trait]
impl Source for SpoolReader {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let name = |cursor: &Cursor| Some(cursor.as_str()?.to_owned()).filter(|name| name.ends_with(".json"));
        self.last = match saved {
            None => None,
            Some(cursor) => Some(name(cursor).ok_or_else(|| {
                Error::config("the saved cursor is not the name of a file")
                    .with_reason("cursor_rejected")
                    .with_help("set a good one with `sluicebox cursor set`")
            })?),
        };
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        // Nothing of `self` changes before everything is read: whoever drops this future loses nothing.
        let mut names = self.names().await.map_err(|error| self.classified(error))?;
        let mut batch = Batch::empty(None);
        batch.caught_up = names.len() <= self.options.page;
        names.truncate(self.options.page);
        for name in &names {
            let read = tokio::fs::read(self.options.folder.join(name)).await;
            let bytes = Bytes::from(read.map_err(|error| self.classified(error))?);
            match Event::parse(&bytes, self.meta(name)) {
                Ok(event) => batch.events.push(event),
                Err(error) => batch.rejects.push(Reject {
                    event: Event::from_validated(bytes, self.meta(name)),
                    reason: Reason::Parse,
                    error: DeadLetterError::new(error.to_string()),
                }),
            }
        }
        batch.pace = if batch.caught_up { Pace::After(self.options.interval.0) } else { Pace::Immediately };
        self.last = names.pop().or(self.last.take());
        batch.cursor = self.last.as_deref().map(Cursor::from);
        Ok(Some(batch))
    }
}

impl SpoolReader {
    /// The names of the files that are still to be read, in their order.
    async fn names(&self) -> std::io::Result<Vec<String>> {
        let mut entries = tokio::fs::read_dir(&self.options.folder).await?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_new = self.last.as_ref().is_none_or(|last| *last < name);
            if is_new && Path::new(&name).extension().is_some_and(|extension| extension == "json") {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What is known of the event in a file, whatever is in it.
    fn meta(&self, name: &str) -> Meta {
        let now = self.cx.environment.clock.now();
        let account = &self.cx.account;
        let id = format!("spool:{account}:{name}");
        Meta { received: now, time: now, ..Meta::new(self.cx.component.clone(), account.clone(), id) }
    }

    /// Which failures pass by themselves, and which need a person.
    fn classified(&self, error: std::io::Error) -> Error {
        let message = format!("cannot read {}", self.options.folder.display());
        match error.kind() {
            ErrorKind::PermissionDenied => Error::auth(message).with_help("let this user read the folder"),
            _ => Error::transient(message),
        }
        .with_cause(error)
    }
}

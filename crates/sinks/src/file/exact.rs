//! A file exactly once: the checkpoint holds its length together with the position, and a restart cuts it back.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sluicebox_core::{Error, ErrorClass, Event, Result, ResumableSink, Sink, Written};

use crate::file::appender::Appender;
use crate::file::batch::{Worker, group};

/// What the checkpoint remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    path: String,
    length: u64,
}

/// Appends to one file and can return to a length.
pub(crate) struct ExactFile {
    path: String,
    envelope: bool,
    file: Worker<ExactState>,
}

struct ExactState {
    path: PathBuf,
    file: Option<Appender>,
    /// The length after the last write that succeeded.
    length: u64,
    /// The length before that write.
    before_last: u64,
    /// The length at the first start, before anything was written; a restart without a mark returns to it.
    first_length: Option<u64>,
}

impl ExactFile {
    pub(crate) fn new(path: String, envelope: bool) -> Self {
        let state = ExactState {
            path: PathBuf::from(&path),
            file: None,
            length: 0,
            before_last: 0,
            first_length: None,
        };
        Self { path, envelope, file: Worker::new(state) }
    }
}

#[async_trait]
impl Sink for ExactFile {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let path = PathBuf::from(&self.path);
        let unheard = self.file.settle().await;
        let (groups, rejected) = group(events, self.envelope, |_| Ok(path.clone()));
        let write = move |state: &mut ExactState| {
            if unheard {
                state.undo_last()?;
            }
            groups.iter().try_for_each(|(_, bytes)| state.append(bytes))
        };
        self.file.run(write).await?;
        Ok(Written::but(rejected))
    }

    async fn close(&mut self) -> Result<()> {
        self.file.settle().await;
        self.file
            .run(|state| {
                state.file = None;
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl ResumableSink for ExactFile {
    async fn restore(&mut self, mark: Option<&[u8]>) -> Result<()> {
        let mark = mark.map(read_mark).transpose()?;
        let path = self.path.clone();
        self.file.settle().await;
        self.file.run(move |state| state.restore(mark.filter(|mark| mark.path == path))).await
    }

    fn mark(&self) -> Vec<u8> {
        let length = self.file.look(|state| state.length);
        let mark = serde_json::json!({ "path": self.path, "length": length });
        mark.to_string().into_bytes()
    }
}

fn read_mark(mark: &[u8]) -> Result<Mark> {
    serde_json::from_slice(mark).map_err(|error| {
        Error::new(ErrorClass::State, "the checkpoint of a file sink cannot be read").with_cause(error)
    })
}

impl ExactState {
    /// Cuts the file to the mark. Without a mark: to what was there when this sink first saw it.
    fn restore(&mut self, mark: Option<Mark>) -> Result<()> {
        self.file = None;
        let path = self.path.clone();
        let wanted = mark.map(|mark| mark.length).or(self.first_length);
        if let Some(length) = wanted.filter(|length| *length > 0 && !path.exists()) {
            return Err(shorter(&path, 0, length));
        }
        let mut file = Appender::open(&path)?;
        match wanted {
            Some(length) if file.length() < length => return Err(shorter(&path, file.length(), length)),
            Some(length) if file.length() > length => file.cut_to(length)?,
            Some(_) => {}
            None => file.cut_torn_line()?,
        }
        self.length = file.length();
        self.before_last = self.length;
        self.first_length.get_or_insert(self.length);
        self.file = Some(file);
        Ok(())
    }

    fn file(&mut self) -> Result<&mut Appender> {
        let path = &self.path;
        let missing = || Error::new(ErrorClass::State, format!("the file {} was not opened", path.display()));
        let file = self.file.as_mut().ok_or_else(missing)?;
        if !file.is_in_place() {
            let message = format!("the file {} was moved or removed while it was in use", path.display());
            let help = "put it back: with exactly_once the file is part of the state";
            return Err(Error::new(ErrorClass::State, message).with_help(help));
        }
        Ok(file)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let (length, path) = (self.length, self.path.clone());
        let file = self.file()?;
        let found = file.found_length()?;
        if found < length {
            return Err(shorter(&path, found, length));
        }
        if found > length {
            let message = format!("something else has written to the file {}", path.display());
            let help = "with exactly_once only this sink may write to it: stop the other writer and start again, \
                        which cuts off what it has written";
            return Err(Error::new(ErrorClass::State, message).with_help(help));
        }
        file.append(bytes)?;
        self.before_last = length;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Takes back a write that nobody has heard of.
    fn undo_last(&mut self) -> Result<()> {
        let length = self.before_last;
        self.file()?.cut_to(length)?;
        self.length = length;
        Ok(())
    }
}

fn shorter(path: &Path, found: u64, expected: u64) -> Error {
    let message = format!(
        "the file {} has {found} bytes, but the checkpoint knows of {expected}: events that were delivered are missing",
        path.display()
    );
    Error::new(ErrorClass::State, message).with_help(
        "put the file back as it was; or give the sink another path, which begins a new file at the present cursor",
    )
}

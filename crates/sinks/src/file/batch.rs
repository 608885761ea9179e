//! A batch of events as bytes by path, and the work on files beside the runtime.
//!
//! Invariant: one piece of work at a time, and none is forgotten, even if whoever asked for it went away.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sluicebox_core::{Error, ErrorClass, Event, Rejected, Result};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::file::encoding::Encoding;

/// The lines of a batch by path, in the order in which the paths first occur; and what has no line.
pub(crate) fn group(
    events: &[Event],
    encoding: &Encoding,
    mut path_of: impl FnMut(&Event) -> Result<PathBuf>,
) -> (Vec<(PathBuf, Vec<u8>)>, Vec<Rejected>) {
    let mut groups: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut rejected = Vec::new();
    let mut last = 0;
    for (index, event) in events.iter().enumerate() {
        let line = path_of(event).and_then(|path| {
            let known = groups.get(last).is_some_and(|(known, _)| *known == path);
            if !known {
                last = groups.iter().position(|(known, _)| *known == path).unwrap_or(groups.len());
            }
            if last == groups.len() {
                groups.push((path, Vec::new()));
            }
            encoding.append(&mut groups[last].1, event)
        });
        if let Err(error) = line {
            rejected.push(Rejected { index, error });
        }
    }
    (groups, rejected)
}

/// State that blocking work changes, one piece of work at a time.
///
/// A caller may go away while work runs; the next one then learns that an outcome was never heard.
pub(crate) struct Worker<T> {
    state: Arc<Mutex<T>>,
    running: Option<JoinHandle<Result<()>>>,
}

impl<T: Send + 'static> Worker<T> {
    /// A worker on `state`.
    pub(crate) fn new(state: T) -> Self {
        Self { state: Arc::new(Mutex::new(state)), running: None }
    }

    /// Waits for work whose caller went away. `true` if there was some and it succeeded.
    pub(crate) async fn settle(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        let outcome = running.await;
        self.running = None;
        matches!(outcome, Ok(Ok(())))
    }

    /// Runs blocking work; earlier work is settled.
    pub(crate) async fn run(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let state = Arc::clone(&self.state);
        let run = move || work(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = self.running.insert(spawn_blocking(run)).await;
        self.running = None;
        outcome.unwrap_or_else(|error| {
            Err(Error::new(ErrorClass::State, "the work on a file was interrupted").with_cause(error))
        })
    }

    /// Looks at the state while no work runs.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

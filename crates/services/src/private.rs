//! The processes of a private server, behind `&self`, so that one thread of a test can kill what another one uses.
//!
//! Invariant: they end when this is dropped.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use crate::error::Result;
use crate::server::Server;
use crate::shared::fail;

/// One place for each process; empty after it was killed or stopped.
#[derive(Debug)]
pub(crate) struct Private(Vec<Mutex<Option<Server>>>);

impl Private {
    pub(crate) fn new(servers: Vec<Server>) -> Self {
        Self(servers.into_iter().map(|server| Mutex::new(Some(server))).collect())
    }

    pub(crate) fn kill(&self, index: usize) {
        drop(self.place(index).take());
    }

    pub(crate) fn stop(&self, index: usize, signal: Signal) {
        if let Some(server) = self.place(index).take() {
            server.stop(signal);
        }
    }

    /// Starts it unless it runs.
    pub(crate) fn start(&self, index: usize, start: impl FnOnce() -> Result<Server>) {
        let mut place = self.place(index);
        if place.is_none() {
            *place = Some(fail(start()));
        }
    }

    pub(crate) fn freeze(&self, index: usize) {
        if let Some(server) = self.place(index).as_ref() {
            server.started.freeze();
        }
    }

    pub(crate) fn thaw(&self, index: usize) {
        if let Some(server) = self.place(index).as_ref() {
            server.started.thaw();
        }
    }

    fn place(&self, index: usize) -> MutexGuard<'_, Option<Server>> {
        let Some(place) = self.0.get(index) else {
            panic!("there is no server {index}; the cluster has {}", self.0.len())
        };
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

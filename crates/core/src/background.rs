//! What a component gets of its host beside time and chance: somebody who runs its background work, and a folder.
//!
//! A component spawns nothing itself. A listener that must answer while nobody polls is handed over here when it is
//! built, and the engine runs it, ends it with the pipeline, and takes its failure for the pipeline's. Invariant: work
//! is handed out once.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Context, Result, Shared};

/// Work that goes on beside the calls of a component; it is dropped when the pipeline ends.
pub type BackgroundWork = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Work that waits to be started, with the names of the components that it belongs to.
#[derive(Default)]
pub struct Background {
    waiting: Mutex<Vec<(Arc<str>, BackgroundWork)>>,
}

impl Background {
    /// The list of a pipeline; made when it is first asked for.
    pub fn of(shared: &Shared) -> Arc<Self> {
        shared.find("", "").unwrap_or_else(|| {
            let made = Arc::new(Self::default());
            shared.publish("", "", Arc::clone(&made));
            made
        })
    }

    /// Takes everything that waits.
    pub fn take(&self) -> Vec<(Arc<str>, BackgroundWork)> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, component: &Arc<str>, work: BackgroundWork) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((Arc::clone(component), work));
    }
}

/// The folder of a pipeline's state, locked for this process, where a component may keep files of its own.
#[derive(Clone, Debug)]
pub struct StateFolder(pub PathBuf);

impl Context {
    /// Leaves work to the engine, which runs it from the start of the pipeline to its end. To be called while the
    /// component is built.
    pub fn leave_to_background(&self, work: impl Future<Output = Result<()>> + Send + 'static) {
        Background::of(&self.shared).add(&self.component, Box::pin(work));
    }

    /// The folder of the pipeline's state; `None` where nothing is kept.
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.shared.find::<StateFolder>("", "").map(|folder| folder.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_handed_out_once() {
        let shared = Shared::default();
        let component = Arc::from("hooks");
        Background::of(&shared).add(&component, Box::pin(async { Ok(()) }));
        let taken = Background::of(&shared).take();
        assert_eq!(taken.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["hooks"]);
        assert!(Background::of(&shared).take().is_empty());
    }
}

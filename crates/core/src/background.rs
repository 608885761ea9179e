//! What a component gets of its host beside time and chance: somebody who runs its background work, and a folder.
//!
//! A component spawns nothing itself. A listener that must answer while nobody polls is handed over here when it is
//! built, and the engine runs it, ends it with the pipeline, and takes its failure for the pipeline's. Invariant: work
//! is handed out once.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::{Context, Result, Shared};

/// Work that goes on beside the calls of a component; it is dropped when the pipeline ends.
pub type BackgroundWork = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Work that waits to be started, with the names of the components that it belongs to.
#[derive(Default)]
pub struct Background {
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    work: Vec<(Arc<str>, BackgroundWork)>,
    /// Of whoever starts it.
    waker: Option<Waker>,
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

    /// Takes everything that waits; waits until there is something. Cancel-safe, for one caller at a time.
    pub async fn next(&self) -> Vec<(Arc<str>, BackgroundWork)> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.work.is_empty() {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut state.work))
        })
        .await
    }

    /// Takes everything that waits.
    pub fn take(&self) -> Vec<(Arc<str>, BackgroundWork)> {
        std::mem::take(&mut self.lock().work)
    }

    fn add(&self, component: &Arc<str>, work: BackgroundWork) {
        let waker = {
            let mut state = self.lock();
            state.work.push((Arc::clone(component), work));
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of a pipeline's state, locked for this process, where a component may keep files of its own.
#[derive(Clone, Debug)]
pub struct StateFolder(pub PathBuf);

impl Context {
    /// Leaves work to the engine, which runs it until the pipeline ends. To be called while the component is built.
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
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    #[test]
    fn work_is_handed_out_once() {
        let shared = Shared::default();
        let component = Arc::from("hooks");
        Background::of(&shared).add(&component, Box::pin(async { Ok(()) }));
        let taken = Background::of(&shared).take();
        assert_eq!(taken.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["hooks"]);
        assert!(Background::of(&shared).take().is_empty());
    }

    /// Tells whether it was woken.
    #[derive(Default)]
    struct Alarm(AtomicBool);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_waits_for_work_is_woken_by_it() {
        let background = Background::default();
        let alarm = Arc::<Alarm>::default();
        let waker = Waker::from(Arc::clone(&alarm));
        let mut next = Box::pin(background.next());
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(next.as_mut().poll(&mut cx).is_pending() && !alarm.0.load(Ordering::SeqCst));
        background.add(&Arc::from("hooks"), Box::pin(async { Ok(()) }));
        assert!(alarm.0.load(Ordering::SeqCst));
        assert!(matches!(next.as_mut().poll(&mut cx), Poll::Ready(work) if work.len() == 1));
    }
}

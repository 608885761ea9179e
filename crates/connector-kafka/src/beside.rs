//! Work beside the runtime: librdkafka's calls block, and some of them for longer than anyone has asked for.
//!
//! Invariant: one piece of work at a time has the worker. A caller that goes away, or that the watchdog sends away, does
//! not interrupt it: the next call waits for it first, and learns that nobody heard how it ended.

use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{Clock, Error, ErrorClass, Result};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// A worker that does one thing after the other on a thread that may block.
pub(crate) struct Beside<W> {
    clock: Arc<dyn Clock>,
    /// Longest wait for one piece of work.
    watchdog: Duration,
    place: Place<W>,
    /// Whether the caller of the last piece of work heard how it ended.
    heard: bool,
}

enum Place<W> {
    Idle(Box<W>),
    Busy(JoinHandle<Box<W>>),
    /// The work panicked.
    Lost,
}

impl<W: Send + 'static> Beside<W> {
    pub(crate) fn new(worker: W, clock: Arc<dyn Clock>, watchdog: Duration) -> Self {
        Self { clock, watchdog, place: Place::Idle(Box::new(worker)), heard: true }
    }

    /// Runs `work`, which is told whether the end of the work before it was heard. Safe to cancel: the work goes on.
    ///
    /// # Errors
    /// Those of `work`; retryable if the watchdog was faster; `State` after a panic.
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut W, bool) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut worker = self.worker().await?;
        let heard = std::mem::replace(&mut self.heard, false);
        let (sender, mut result) = oneshot::channel();
        self.place = Place::Busy(spawn_blocking(move || {
            // Nobody may be there to hear it.
            let _ = sender.send(work(&mut worker, heard));
            worker
        }));
        let worker = self.worker().await?;
        self.place = Place::Idle(worker);
        self.heard = true;
        result.try_recv().unwrap_or_else(|_| Err(lost()))
    }

    /// The worker, as soon as it has nothing to do.
    async fn worker(&mut self) -> Result<Box<W>> {
        let Place::Busy(busy) = &mut self.place else {
            return match std::mem::replace(&mut self.place, Place::Lost) {
                Place::Idle(worker) => Ok(worker),
                _ => Err(lost()),
            };
        };
        let clock = Arc::clone(&self.clock);
        let worker = tokio::select! {
            worker = busy => worker,
            () = clock.sleep(self.watchdog) => {
                let waited = self.watchdog.as_secs();
                return Err(Error::transient(format!("the Kafka client has not come back for {waited} s")));
            }
        };
        self.place = Place::Lost;
        worker.map_err(|error| lost().with_cause(error))
    }
}

fn lost() -> Error {
    Error::new(ErrorClass::State, "the work of the Kafka client was interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_testkit::environment;

    #[tokio::test]
    async fn what_nobody_heard_is_told_to_the_next() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut beside = Beside::new(0, environment().clock, Duration::from_millis(50));
        let error = beside
            .run(move |count, heard| {
                assert!(heard);
                released.recv().unwrap();
                *count += 1;
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(error.class().is_retryable(), "{error}");
        release.send(()).unwrap();
        let count = beside.run(|count, heard| Ok((*count, heard))).await.unwrap();
        assert_eq!(count, (1, false));
        assert_eq!(beside.run(|count, heard| Ok((*count, heard))).await.unwrap(), (1, true));
    }

    #[tokio::test]
    async fn a_panic_ends_the_worker() {
        let mut beside = Beside::new((), environment().clock, Duration::from_secs(60));
        let error = beside.run(|(), _| -> Result<()> { panic!("broken") }).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::State);
        assert_eq!(beside.run(|(), _| Ok(())).await.unwrap_err().class(), ErrorClass::State);
    }
}

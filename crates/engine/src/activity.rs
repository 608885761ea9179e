//! Whether anything above a sink can still bring events soon: a batch is written early when nothing can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts polls and pages on their way to one sink.
#[derive(Default)]
pub(crate) struct Activity {
    busy: AtomicUsize,
    idle: Notify,
}

impl Activity {
    /// Whether every source above is waiting (cap, confirm on read, idle, drained) and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// Wakes when it becomes idle. Cancel-safe; may wake once too often.
    pub(crate) async fn idle(&self) {
        self.idle.notified().await;
    }
}

/// Held from the start of a poll until its page has reached the edges of every sink below.
pub(crate) struct Busy(Vec<Arc<Activity>>);

impl Busy {
    /// Marks the sinks as about to be fed.
    pub(crate) fn new(sinks: &[Arc<Activity>]) -> Self {
        for sink in sinks {
            sink.busy.fetch_add(1, Ordering::AcqRel);
        }
        Self(sinks.to_vec())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for sink in &self.0 {
            if sink.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                sink.idle.notify_one();
            }
        }
    }
}

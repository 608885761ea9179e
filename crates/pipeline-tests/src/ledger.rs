//! What the ends of a pipeline saw while a test ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sluicebox_core::{Event, Shown};
use smol_str::SmolStr;

/// What one sink took at once: an event, or the events of one message.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    /// The message, or where the event went; `None` where nothing is known of it but the event.
    pub(crate) shown: Option<Shown>,
}

/// Written by the scripted ends, read when the run is over. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    taken: BTreeMap<SmolStr, Vec<Taken>>,
    unanswered: Vec<String>,
    asked: BTreeSet<(SmolStr, bool)>,
}

impl Ledger {
    pub(crate) fn take(&self, sink: &SmolStr, taken: Taken) {
        self.inner.lock().taken.entry(sink.clone()).or_default().push(taken);
    }

    /// Something was asked for that the test gives no answer to; said once.
    pub(crate) fn unanswered(&self, what: String) {
        let mut inner = self.inner.lock();
        if !inner.unanswered.contains(&what) {
            inner.unanswered.push(what);
        }
    }

    /// What a sink took, in order.
    pub(crate) fn taken_by(&self, sink: &str) -> Vec<Taken> {
        self.inner.lock().taken.get(sink).cloned().unwrap_or_default()
    }

    /// A look-up was answered, or not as it wants to be.
    pub(crate) fn asked(&self, lookup: &SmolStr, well: bool) {
        self.inner.lock().asked.insert((lookup.clone(), well));
    }

    /// Every look-up that asked, with whether it was answered well; both, where both happened.
    pub(crate) fn answers(&self) -> BTreeSet<(SmolStr, bool)> {
        self.inner.lock().asked.clone()
    }

    /// The sinks that took something.
    pub(crate) fn sinks(&self) -> BTreeSet<SmolStr> {
        self.inner.lock().taken.keys().cloned().collect()
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.inner.lock().unanswered.clone()
    }
}

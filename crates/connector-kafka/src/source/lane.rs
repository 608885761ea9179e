//! One partition as the thread that serves the group and the source that reads it both see it.
//!
//! Invariant: records are taken only from a queue that was made for the present assignment; whatever a former one left is
//! gone with its queue.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::base_consumer::PartitionQueue;
use tokio::sync::{Notify, watch};

use super::member::Member;

/// The name of a partition: topic and number.
pub(super) type Name = (String, i32);

/// Where a partition can be read, as the brokers said when it was assigned to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What the group has committed.
    pub(super) committed: Option<i64>,
    /// Where `start` begins.
    pub(super) start: i64,
    /// The earliest offset that there is.
    pub(super) low: i64,
    /// The offset after the last record that may be read.
    pub(super) end: i64,
}

/// Who has the partition, and how far reading it has come.
pub(super) enum Hold {
    /// It is not ours. `settled`: the group has been assigned anew since, and it still is not.
    Away {
        settled: bool,
    },
    /// It is ours; the keeper has yet to ask where it stands.
    Granted,
    /// Its source decides where reading begins.
    Placed(Place),
    /// The keeper is to begin here.
    Wanted(i64),
    Reading(PartitionQueue<Member>),
}

pub(super) struct State {
    pub(super) hold: Hold,
    /// Whether librdkafka reads it: true until the keeper has unassigned it.
    pub(super) assigned: bool,
    /// Whether it was handed to the engine.
    pub(super) told: bool,
}

/// A partition.
pub(super) struct Lane {
    pub(super) topic: String,
    pub(super) partition: i32,
    state: Mutex<State>,
    /// The state has changed, or records have come.
    pub(super) changed: Notify,
    /// The offset of the newest commit that was answered, well or badly.
    answered: watch::Sender<i64>,
}

impl Lane {
    pub(super) fn new((topic, partition): Name) -> Self {
        let state = State { hold: Hold::Away { settled: false }, assigned: false, told: false };
        let answered = watch::Sender::new(-1);
        Self { topic, partition, state: Mutex::new(state), changed: Notify::new(), answered }
    }

    /// As checkpoints name it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to another state, and wakes the source.
    pub(super) fn set(&self, hold: Hold) {
        self.state().hold = hold;
        self.changed.notify_one();
    }

    /// Whether it is assigned to us.
    pub(super) fn is_ours(&self) -> bool {
        !matches!(self.state().hold, Hold::Away { .. })
    }

    /// Reading is to begin anew, once it has been asked again where the partition stands.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        if !matches!(state.hold, Hold::Away { .. }) {
            state.hold = Hold::Granted;
        }
    }

    /// Its source begins anew: what was read ahead, or wanted, no longer counts.
    pub(super) fn reopen(&self) {
        let mut state = self.state();
        if matches!(state.hold, Hold::Wanted(_) | Hold::Reading(_)) {
            state.hold = Hold::Granted;
        }
    }

    /// A commit of this offset was answered.
    pub(super) fn answer(&self, offset: i64) {
        self.answered.send_replace(offset);
    }

    /// Hears of answers to commits.
    pub(super) fn answers(&self) -> watch::Receiver<i64> {
        self.answered.subscribe()
    }
}

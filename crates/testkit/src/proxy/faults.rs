//! The switches of a proxy, shared by the test that sets them and the threads that obey.
//!
//! Invariant: a decision about bytes and the counting of them are one step under one lock, so that a cut happens at
//! exactly the byte or message that was asked for, however many connections there are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::Direction;
use super::framing::Framing;

/// What a test has switched on; one place a direction where there are two.
#[derive(Clone, Default)]
pub(super) struct Switches {
    pub(super) refuse: bool,
    pub(super) frozen: [bool; 2],
    pub(super) bytes_per_second: Option<u64>,
    pub(super) delay: Duration,
    /// How many more bytes go before a cut.
    pub(super) cut_after: [Option<u64>; 2],
    /// How many more messages go before a cut.
    pub(super) cut_at_message: [Option<u64>; 2],
}

#[derive(Default)]
struct State {
    switches: Switches,
    connections: usize,
    live: Vec<Weak<AtomicBool>>,
    messages: [u64; 2],
    has_ended: bool,
}

/// The switches and what was counted.
pub(super) struct Faults {
    pub(super) framing: Option<Framing>,
    state: Mutex<State>,
    changed: Condvar,
}

/// How much of some bytes may go, and whether the connection is cut after that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) bytes: usize,
    pub(super) cut: bool,
}

impl Faults {
    pub(super) fn new(framing: Option<Framing>) -> Self {
        Self { framing, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.state().switches);
        self.changed.notify_all();
    }

    /// Marks every connection as cut and waits until none of them is open.
    pub(super) fn cut(&self) {
        let mut state = self.state();
        let marked = std::mem::take(&mut state.live);
        for connection in marked.iter().filter_map(Weak::upgrade) {
            connection.store(true, Ordering::Release);
        }
        self.changed.notify_all();
        while marked.iter().any(|connection| connection.strong_count() > 0) {
            state = self.wait_a_moment(state);
        }
    }

    /// Ends every connection and accepts no more.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.cut();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    pub(super) fn count(&self) -> usize {
        self.state().connections
    }

    pub(super) fn open(&self) -> usize {
        self.state().live.iter().filter(|connection| connection.strong_count() > 0).count()
    }

    pub(super) fn messages(&self, direction: Direction) -> u64 {
        self.state().messages[direction as usize]
    }

    /// Notes a new connection; None when it is refused. What is returned becomes true when it is cut.
    pub(super) fn admit(&self) -> Option<Arc<AtomicBool>> {
        let mut state = self.state();
        state.connections += 1;
        if state.switches.refuse {
            return None;
        }
        let is_cut = Arc::new(AtomicBool::new(false));
        state.live.retain(|connection| connection.strong_count() > 0);
        state.live.push(Arc::downgrade(&is_cut));
        Some(is_cut)
    }

    /// Waits while that direction is frozen; gives the delay and the speed that hold now, or None once cut.
    pub(super) fn pass(&self, direction: Direction, is_cut: &AtomicBool) -> Option<(Duration, Option<u64>)> {
        let mut state = self.state();
        while state.switches.frozen[direction as usize] && !is_cut.load(Ordering::Acquire) {
            state = self.wait_a_moment(state);
        }
        let delay = if direction == Direction::Replies { state.switches.delay } else { Duration::ZERO };
        (!is_cut.load(Ordering::Acquire)).then_some((delay, state.switches.bytes_per_second))
    }

    /// Decides how much of some bytes may go, which are one whole message where there is a framing, and counts it.
    pub(super) fn judge(&self, direction: Direction, bytes: usize) -> Verdict {
        let (mut state, place) = (self.state(), direction as usize);
        let state = &mut *state;
        let mut verdict = Verdict { bytes, cut: false };
        if self.framing.is_some() {
            let left = &mut state.switches.cut_at_message[place];
            match *left {
                Some(0) => {
                    *left = None;
                    return Verdict { bytes: 0, cut: true };
                }
                Some(messages) => {
                    verdict.cut = messages == 1;
                    *left = (messages > 1).then_some(messages - 1);
                }
                None => {}
            }
        }
        let left = &mut state.switches.cut_after[place];
        if let Some(bytes_left) = *left {
            let going = u64::try_from(bytes).unwrap_or(u64::MAX).min(bytes_left);
            verdict.bytes = usize::try_from(going).unwrap_or(bytes);
            verdict.cut |= going == bytes_left;
            *left = (going < bytes_left).then_some(bytes_left - going);
        }
        if self.framing.is_some() && verdict.bytes == bytes {
            state.messages[place] += 1;
        }
        verdict
    }

    /// Says that a connection may have ended.
    pub(super) fn note_end(&self) {
        self.changed.notify_all();
    }

    fn wait_a_moment<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let moment = Duration::from_millis(20);
        self.changed
            .wait_timeout(state, moment)
            .map_or_else(|broken| broken.into_inner().0, |(state, _)| state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

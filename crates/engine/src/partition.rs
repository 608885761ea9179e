//! One partition (source × account): its frontier, what it has in flight, and why it is paused.
//!
//! Invariant: the safe cursor that leaves this file is never ahead of an unsettled event.

mod remembering;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sluicebox_core::{
    Clock, Cursor, Frontier, LetterKey, LetterPage, Meta, Safe, SlotListener, Timestamp, Token,
};
use smol_str::SmolStr;
use tokio::sync::{Notify, watch};

use crate::checkpointer::Checkpointer;
use crate::memories::Memories;
use crate::metrics::PartitionMetrics;
use crate::options::Caps;
use crate::recall::Recall;
use crate::seen::Seen;

/// What is known of a page while it is in flight.
struct Flight {
    events: usize,
    bytes: usize,
    newest: Option<Timestamp>,
    since: Duration,
}

struct Inner {
    frontier: Frontier,
    flights: HashMap<u64, Flight>,
    /// Events of settled pages whose cursor is not saved yet: a kill repeats them too, so they count for the cap.
    unsaved: BTreeMap<u64, usize>,
    newest: Option<Timestamp>,
    /// Events settled since the start of this run.
    settled: usize,
    last_cursor: Option<Cursor>,
    seen: Seen,
    recall: Recall,
}

/// Bytes in flight over all partitions of a pipeline.
#[derive(Default)]
pub(crate) struct Budget {
    bytes: AtomicUsize,
    freed: Notify,
}

/// The state that poller, worker, sinks and checkpointer share.
pub(crate) struct Partition {
    pub(crate) index: usize,
    pub(crate) source: SmolStr,
    pub(crate) account: SmolStr,
    pub(crate) floor_epoch: u64,
    /// Whether the next poll waits until the last page is durable.
    pub(crate) confirms: bool,
    caps: Caps,
    budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    changed: Notify,
    durable_slot: AtomicU64,
    /// The newest cursor that this run has made durable, for who confirms upstream.
    durable_cursor: watch::Sender<Option<Cursor>>,
    lost: AtomicBool,
    restarted: AtomicBool,
    committed_at: Mutex<Option<Timestamp>>,
    /// What transforms remember of it; `None` where none on its way does. Taken before `inner`, never after.
    memories: Option<Mutex<Memories>>,
    /// The position that this run has made durable last.
    durable: Mutex<Safe>,
    pub(crate) metrics: PartitionMetrics,
    paused: Mutex<Option<Pause>>,
    checkpointer: Checkpointer,
}

/// Why a partition does not poll.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Where a partition starts.
pub(crate) struct Start {
    pub(crate) safe_seq: u64,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) newest: Option<Timestamp>,
    pub(crate) floor_epoch: u64,
    pub(crate) confirms: bool,
    pub(crate) committed_at: Option<Timestamp>,
    /// Dead letters whose events come again.
    pub(crate) open_letters: Vec<LetterKey>,
    /// What transforms remember of it; `None` where none on its way does.
    pub(crate) memories: Option<Memories>,
    pub(crate) metrics: PartitionMetrics,
}

impl Partition {
    pub(crate) fn new(
        (index, source, account): (usize, SmolStr, SmolStr),
        start: Start,
        caps: Caps,
        (budget, clock): (Arc<Budget>, Arc<dyn Clock>),
        checkpointer: Checkpointer,
    ) -> Self {
        let inner = Inner {
            last_cursor: start.cursor.clone(),
            frontier: Frontier::new(start.safe_seq, start.cursor),
            flights: HashMap::new(),
            unsaved: BTreeMap::new(),
            newest: start.newest,
            settled: 0,
            seen: Seen::default(),
            recall: Recall::new(start.open_letters),
        };
        let durable = Mutex::new(inner.frontier.safe().clone());
        Self {
            index,
            source,
            account,
            floor_epoch: start.floor_epoch,
            confirms: start.confirms,
            caps,
            budget,
            clock,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            durable_slot: AtomicU64::new(0),
            durable_cursor: watch::Sender::new(None),
            lost: AtomicBool::new(false),
            restarted: AtomicBool::new(false),
            committed_at: Mutex::new(start.committed_at),
            memories: start.memories.map(Mutex::new),
            durable,
            metrics: start.metrics,
            paused: Mutex::new(None),
            checkpointer,
        }
    }

    /// Opens a slot for a page and hands out its tokens. A page that brings nothing and moves nothing opens none.
    pub(crate) fn open(self: &Arc<Self>, page: Page) -> Vec<Token> {
        let (slot, count) = {
            let mut inner = self.inner.lock();
            if page.events == 0 && page.cursor == inner.last_cursor {
                return Vec::new();
            }
            inner.last_cursor.clone_from(&page.cursor);
            let slot = inner.frontier.open(page.cursor);
            let flight =
                Flight { events: page.events, bytes: page.bytes, newest: None, since: self.clock.elapsed() };
            inner.flights.insert(slot, flight);
            self.budget.bytes.fetch_add(page.bytes, Ordering::AcqRel);
            (slot, u32::try_from(page.events).unwrap_or(u32::MAX))
        };
        Token::for_page(slot, count, Arc::clone(self) as Arc<dyn SlotListener>)
    }

    /// Says of each id of a page whether it is new among the newest ones, and remembers it. `newest` is the page's
    /// newest event time.
    ///
    /// `None` if the page is not in flight any more, because the partition started over: its ids must not be taken
    /// for seen when it comes again.
    pub(crate) fn admit<'a>(
        &self,
        slot: u64,
        ids: impl Iterator<Item = &'a SmolStr>,
        newest: Option<Timestamp>,
    ) -> Option<Vec<bool>> {
        let mut inner = self.inner.lock();
        inner.flights.get_mut(&slot)?.newest = newest;
        Some(ids.map(|id| inner.seen.is_new(id)).collect())
    }

    /// Takes back the dead letters of events that have come again, before they go any further. `false` if the pipeline
    /// stopped first.
    pub(crate) async fn take_back(&self, events: impl Iterator<Item = &Meta>) -> bool {
        let keys = self.inner.lock().recall.take(events);
        keys.is_empty() || self.checkpointer.take_back(keys).await
    }

    /// The page that a slot stands for, as a dead letter remembers it; `None` if it is not in flight any more.
    pub(crate) fn letter_page(&self, slot: u64, epoch: u64) -> Option<LetterPage> {
        let safe_seq = self.inner.lock().frontier.seq_of(slot)?;
        Some(LetterPage { source: self.source.clone(), partition: self.account.clone(), epoch, safe_seq })
    }

    /// A dead letter is about to be stored for a page in flight.
    pub(crate) fn letter_made(&self, slot: u64, key: LetterKey) {
        self.inner.lock().recall.made(slot, key);
    }

    /// Whether the event of a dead letter may come again, so that the letter must not be replayed yet.
    pub(crate) fn is_open(&self, key: &LetterKey) -> bool {
        self.inner.lock().recall.is_open(key)
    }

    /// The feed has nothing more for now.
    pub(crate) fn caught_up(&self) {
        let mut inner = self.inner.lock();
        let newest = inner.frontier.newest();
        inner.recall.caught_up(newest, self.durable_slot.load(Ordering::Acquire));
    }

    /// The position that a sink may write beside its data: where the safe cursor would stand if these slots were closed
    /// too. Where something is remembered, it is the saved position: a start must not find a sink beyond its memory.
    pub(crate) fn preview(&self, closes: impl Fn(u64) -> bool) -> Safe {
        match &self.memories {
            None => self.inner.lock().frontier.preview(closes),
            Some(_) => self.durable.lock().clone(),
        }
    }

    /// The safe position and the newest event time that it covers.
    pub(crate) fn safe(&self) -> (Safe, Option<Timestamp>) {
        let inner = self.inner.lock();
        (inner.frontier.safe().clone(), inner.newest)
    }

    /// When its checkpoint was last written.
    pub(crate) fn committed_at(&self) -> Option<Timestamp> {
        *self.committed_at.lock()
    }

    /// Hears of every cursor that becomes durable from now on.
    pub(crate) fn durable_cursor(&self) -> watch::Receiver<Option<Cursor>> {
        self.durable_cursor.subscribe()
    }

    /// The checkpointer made everything up to this position durable.
    pub(crate) fn made_durable(&self, safe: Safe, now: Timestamp) {
        let slot = safe.slot;
        {
            let mut inner = self.inner.lock();
            inner.unsaved = inner.unsaved.split_off(&(slot + 1));
            inner.recall.durable(slot);
        }
        if let Some(memories) = &self.memories {
            memories.lock().made_durable(slot);
            self.durable.lock().clone_from(&safe);
        }
        *self.committed_at.lock() = Some(now);
        self.metrics.commits.inc();
        self.durable_slot.fetch_max(slot, Ordering::AcqRel);
        if slot > 0 && self.durable_cursor.receiver_count() > 0 {
            self.durable_cursor.send_replace(safe.cursor);
        }
        self.changed.notify_waiters();
    }

    /// Whether a token was dropped without a verdict.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Whether it ever started over in this run: then a page may be on its way twice.
    pub(crate) fn has_restarted(&self) -> bool {
        self.restarted.load(Ordering::Acquire)
    }

    /// Forgets what is in flight and stands at the safe cursor again; returns that cursor.
    pub(crate) fn rewind(&self) -> Option<Cursor> {
        self.restarted.store(true, Ordering::Release);
        let mut inner = self.inner.lock();
        let freed: usize = inner.flights.drain().map(|(_, flight)| flight.bytes).sum();
        self.budget.bytes.fetch_sub(freed, Ordering::AcqRel);
        inner.seen = Seen::default();
        inner.unsaved.clear();
        let (slot, cursor) = (inner.frontier.safe().slot, inner.frontier.rewind().cursor.clone());
        inner.recall.rewind(slot);
        inner.last_cursor.clone_from(&cursor);
        drop(inner);
        if let Some(memories) = &self.memories {
            memories.lock().rewind(slot);
        }
        self.lost.store(false, Ordering::Release);
        cursor
    }

    /// Whether more events have been settled than can have been in flight when the last run ended: whatever a sink
    /// had committed ahead of the saved cursor has come again by now.
    pub(crate) fn replay_is_over(&self) -> bool {
        self.inner.lock().settled > self.caps.partition_events.saturating_mul(2)
    }

    /// Stops polling for a reason that waiting does not mend; the cursor is kept.
    pub(crate) fn pause(&self, pause: Pause) {
        *self.paused.lock() = Some(pause);
        self.checkpointer.touch(self.index, true);
    }

    /// It is polled again after a pause.
    pub(crate) fn go_on(&self) {
        let Some(pause) = self.paused.lock().take() else { return };
        self.metrics.resumed(pause.reason);
        self.checkpointer.touch(self.index, true);
    }

    /// Why it is paused, if it is.
    pub(crate) fn paused(&self) -> Option<Pause> {
        self.paused.lock().clone()
    }

    fn settle(&self, slot: u64) -> bool {
        let mut inner = self.inner.lock();
        if let Some(flight) = inner.flights.remove(&slot) {
            self.budget.bytes.fetch_sub(flight.bytes, Ordering::AcqRel);
            inner.newest = inner.newest.max(flight.newest);
            inner.settled += flight.events;
            inner.unsaved.insert(slot, flight.events);
        }
        inner.frontier.close(slot).is_some()
    }
}

/// A page about to be put in flight.
pub(crate) struct Page {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) cursor: Option<Cursor>,
}

impl SlotListener for Partition {
    fn index(&self) -> usize {
        self.index
    }

    fn closed(&self, slot: u64) {
        if self.settle(slot) {
            self.checkpointer.touch(self.index, self.confirms);
        }
        self.changed.notify_waiters();
        self.budget.freed.notify_waiters();
    }

    fn lost(&self, slot: u64) {
        // A page from before the partition started over is lost already.
        if self.inner.lock().flights.contains_key(&slot) {
            self.lost.store(true, Ordering::Release);
        }
        self.changed.notify_waiters();
    }
}

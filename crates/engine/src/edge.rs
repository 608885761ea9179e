//! The edge in front of a sink: bounded in events and in bytes, blocking what is above it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sluicebox_core::{BufferOptions, Clock, Event, Token};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::metrics::EdgeMetrics;
use crate::partition::Partition;

/// One event with the duty to account for it.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) event: Event,
    pub(crate) token: Token,
}

/// Events of one page of one partition for one sink: never split, so that all outputs of one event stay together.
pub(crate) struct Shipment {
    pub(crate) partition: Arc<Partition>,
    pub(crate) events: Vec<Tracked>,
    /// When the page was received, by the clock that never goes back.
    pub(crate) received: Duration,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// The sending end; cloned by every worker that feeds the sink.
#[derive(Clone)]
pub(crate) struct EdgeSender {
    sender: mpsc::UnboundedSender<Shipment>,
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bounds: (usize, usize),
    queued: Arc<AtomicI64>,
    metrics: EdgeMetrics,
    clock: Arc<dyn Clock>,
}

/// The receiving end.
pub(crate) struct EdgeReceiver {
    receiver: mpsc::UnboundedReceiver<Shipment>,
    room: (Arc<Semaphore>, Arc<Semaphore>),
    queued: Arc<AtomicI64>,
    metrics: EdgeMetrics,
}

/// An edge with room for what `options` say. The bounds are kept by semaphores; the channel itself needs none.
pub(crate) fn edge(
    options: &BufferOptions,
    metrics: EdgeMetrics,
    clock: Arc<dyn Clock>,
) -> (EdgeSender, EdgeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let bounds =
        (options.max_events.max(1), options.max_bytes.as_usize().clamp(1, Semaphore::MAX_PERMITS / 2));
    let queued = Arc::new(AtomicI64::new(0));
    let sender = EdgeSender {
        sender,
        events: Arc::new(Semaphore::new(bounds.0)),
        bytes: Arc::new(Semaphore::new(bounds.1)),
        bounds,
        queued: Arc::clone(&queued),
        metrics: metrics.clone(),
        clock,
    };
    let room = (Arc::clone(&sender.events), Arc::clone(&sender.bytes));
    (sender, EdgeReceiver { receiver, room, queued, metrics })
}

impl EdgeSender {
    /// Hands a page over, waiting for room. `false` if the sink is gone (its pipeline is stopping).
    pub(crate) async fn send(
        &self,
        partition: &Arc<Partition>,
        events: Vec<Tracked>,
        received: Duration,
    ) -> bool {
        let bytes: usize = events.iter().map(|tracked| tracked.event.size()).sum();
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let before = self.clock.elapsed();
        let Some(room) = self.room(events.len(), bytes).await else { return false };
        self.metrics.blocked(self.clock.elapsed().saturating_sub(before));
        self.metrics.queue(self.queued.fetch_add(count, Ordering::AcqRel) + count);
        let shipment = Shipment { partition: Arc::clone(partition), events, received, _room: room };
        self.sender.send(shipment).is_ok()
    }

    async fn room(
        &self,
        events: usize,
        bytes: usize,
    ) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let share = |wanted: usize, bound: usize| u32::try_from(wanted.clamp(1, bound)).unwrap_or(u32::MAX);
        let events = Arc::clone(&self.events).acquire_many_owned(share(events, self.bounds.0)).await.ok()?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(share(bytes, self.bounds.1)).await.ok()?;
        Some((events, bytes))
    }
}

impl EdgeReceiver {
    /// The next page, or `None` once every worker above is gone. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Option<Shipment> {
        let shipment = self.receiver.recv().await?;
        self.took(&shipment);
        Some(shipment)
    }

    /// The next page if one is waiting.
    pub(crate) fn try_receive(&mut self) -> Option<Shipment> {
        let shipment = self.receiver.try_recv().ok()?;
        self.took(&shipment);
        Some(shipment)
    }

    fn took(&self, shipment: &Shipment) {
        let count = i64::try_from(shipment.events.len()).unwrap_or(i64::MAX);
        self.metrics.queue(self.queued.fetch_sub(count, Ordering::AcqRel) - count);
    }
}

/// Whoever waits for room in front of a sink that is gone is let go.
impl Drop for EdgeReceiver {
    fn drop(&mut self) {
        self.room.0.close();
        self.room.1.close();
    }
}

//! What a partition has in flight, and waiting until that is little enough, nothing, or lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Partition;

/// What a partition has between poll and acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) pages: usize,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// Age of the oldest page that is not settled.
    pub(crate) oldest: Duration,
}

impl Partition {
    /// What is in flight.
    pub(crate) fn in_flight(&self) -> InFlight {
        let inner = self.inner.lock();
        let mut total = InFlight { pages: inner.frontier.in_flight(), ..InFlight::default() };
        let now = self.clock.elapsed();
        for flight in inner.flights.values() {
            total.events += flight.events;
            total.bytes += flight.bytes;
            total.oldest = total.oldest.max(now.saturating_sub(flight.since));
        }
        total
    }

    /// Waits until the caps leave room for another page. Cancel-safe.
    pub(crate) async fn wait_for_room(&self) {
        self.wait_until(|flight| {
            let caps = &self.caps;
            let own = flight.pages < caps.partition_pages
                && flight.events + self.unsaved() < caps.partition_events
                && flight.bytes < caps.partition_bytes;
            own && (flight.pages == 0 || self.budget.bytes.load(Ordering::Acquire) < caps.pipeline_bytes)
        })
        .await;
    }

    fn unsaved(&self) -> usize {
        self.inner.lock().unsaved.values().sum()
    }

    /// Waits until everything polled so far is settled and its cursor is durable. Cancel-safe.
    pub(crate) async fn wait_until_durable(&self) {
        self.wait_until(|flight| {
            let last_closed = self.inner.lock().frontier.safe().slot;
            flight.pages == 0 && self.durable_slot.load(Ordering::Acquire) >= last_closed
        })
        .await;
    }

    async fn wait_until(&self, done: impl Fn(&InFlight) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            let mut freed = std::pin::pin!(self.budget.freed.notified());
            changed.as_mut().enable();
            freed.as_mut().enable();
            if self.is_lost() || done(&self.in_flight()) {
                return;
            }
            tokio::select! { () = changed => {}, () = freed => {} }
        }
    }

    /// Waits until a token was lost. Cancel-safe.
    pub(crate) async fn wait_until_lost(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_lost() {
                return;
            }
            changed.await;
        }
    }
}

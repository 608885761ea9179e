//! Gathers pages from an edge into a window: full, old, or early because nothing more is coming.

use std::sync::Arc;
use std::time::Duration;

use sluicebox_core::{BatchOptions, Clock, Event};

use super::Duty;
use crate::activity::Activity;
use crate::edge::{EdgeReceiver, Shipment};

/// The receiving end of an edge with the batch options of its sink.
pub(crate) struct Inbox {
    edge: EdgeReceiver,
    activity: Arc<Activity>,
    options: BatchOptions,
    clock: Arc<dyn Clock>,
    events: Vec<Event>,
    duties: Vec<Duty>,
    bytes: usize,
    since: Duration,
    ended: bool,
}

impl Inbox {
    pub(crate) fn new(
        edge: EdgeReceiver,
        activity: Arc<Activity>,
        options: BatchOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (events, duties, bytes, since) = (Vec::new(), Vec::new(), 0, Duration::ZERO);
        Self { edge, activity, options, clock, events, duties, bytes, since, ended: false }
    }

    /// The next window, or `None` once everything above is gone. Cancel-safe: what was gathered stays.
    ///
    /// A page is never split between two windows, so a window may be larger than the options by one page.
    pub(crate) async fn next(&mut self) -> Option<(Vec<Event>, Vec<Duty>)> {
        while !self.is_due() {
            if let Some(shipment) = self.edge.try_receive() {
                self.add(shipment);
                continue;
            }
            if self.events.is_empty() {
                match self.edge.receive().await {
                    Some(shipment) => self.add(shipment),
                    None => self.ended = true,
                }
                continue;
            }
            if self.activity.is_idle() {
                // Idle was read after the queue was found empty: look once more before writing early.
                match self.edge.try_receive() {
                    Some(shipment) => self.add(shipment),
                    None => break,
                }
                continue;
            }
            let left = (self.since + self.options.max_wait.0).saturating_sub(self.clock.elapsed());
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                shipment = self.edge.receive() => match shipment {
                    Some(shipment) => self.add(shipment),
                    None => self.ended = true,
                },
                () = self.activity.idle() => {}
                () = clock.sleep(left) => break,
            }
        }
        self.bytes = 0;
        let window = (std::mem::take(&mut self.events), std::mem::take(&mut self.duties));
        (!window.0.is_empty()).then_some(window)
    }

    fn is_due(&self) -> bool {
        let full =
            self.events.len() >= self.options.max_events || self.bytes >= self.options.max_bytes.as_usize();
        let old = !self.events.is_empty() && self.clock.elapsed() >= self.since + self.options.max_wait.0;
        self.ended || full || old
    }

    fn add(&mut self, shipment: Shipment) {
        if self.events.is_empty() {
            self.since = self.clock.elapsed();
        }
        for tracked in shipment.events {
            self.bytes += tracked.event.size();
            self.events.push(tracked.event);
            self.duties.push(Duty {
                token: tracked.token,
                partition: Arc::clone(&shipment.partition),
                received: shipment.received,
            });
        }
    }
}

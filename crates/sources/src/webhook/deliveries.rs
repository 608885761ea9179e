//! Reads an inbox as a retained feed: its cursor is the number of the last delivery.
//!
//! Invariant: a number is never passed over; what is removed from the inbox was durable in every sink.

use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Batch, Committer, Cursor, Error, ErrorClass, Event, Pace, Reject, Result, Source};
use sluicebox_polling::item::{Origin, Said};
use sluicebox_webhooks::{Inbox, Kept, Listening};
use tokio::sync::watch;

/// Most deliveries of one page, and about how many bytes.
const PAGE_DELIVERIES: usize = 500;
const PAGE_BYTES: u64 = 1 << 20;
/// A delivery wakes it; this only bounds what a missed one would cost.
const REST: Duration = Duration::from_secs(60);

/// Makes the event of a delivery: none if it is to be left out, a reject if it is no event.
type Read = Box<dyn Fn(&Kept) -> Result<Option<Event>, Box<Reject>> + Send>;

/// The deliveries of one inbox.
pub(crate) struct Deliveries {
    inbox: Inbox,
    newest: watch::Receiver<u64>,
    read: Read,
    _listening: Listening,
    /// The number of the last delivery that was handed out.
    number: u64,
    /// The newest number before the inbox was last read.
    looked_up_to: u64,
    /// Whether there is a cursor at all.
    begun: bool,
}

/// The event of a delivery as it was sent, or why it is none.
pub(super) fn event(kept: &Kept, origin: &Origin) -> Result<Event, Box<Reject>> {
    let said = Said { id: &kept.id, event_type: &kept.event_type, time: kept.time, key: None };
    let event = origin.event(kept.body.clone(), &said, kept.received);
    match Event::parse(&kept.body, event.meta().clone()) {
        Ok(_) => Ok(event),
        Err(error) => {
            let reject = origin.reject(kept.body.clone(), &error.to_string(), kept.received);
            Err(Box::new(Reject { event, ..reject }))
        }
    }
}

impl Deliveries {
    pub(crate) fn new(
        (inbox, listening): (Inbox, Listening),
        read: impl Fn(&Kept) -> Result<Option<Event>, Box<Reject>> + Send + 'static,
    ) -> Self {
        let newest = inbox.newest();
        Self {
            inbox,
            newest,
            read: Box::new(read),
            _listening: listening,
            number: 0,
            looked_up_to: 0,
            begun: false,
        }
    }
}

#[async_trait]
impl Source for Deliveries {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let number = saved.map_or(Some(0), |cursor| cursor.as_str()?.parse().ok());
        self.number = number.ok_or_else(|| {
            Error::config("the saved cursor is not the number of a delivery")
                .with_reason("cursor_rejected")
                .with_help("set a good one with `sluicebox cursor set`")
        })?;
        self.begun = saved.is_some();
        self.looked_up_to = 0;
        let newest = *self.newest.borrow();
        if self.number > newest {
            let message = format!(
                "the inbox ends at delivery {newest}, and delivery {} was committed: it is not the one that was \
                 here before",
                self.number
            );
            let help = "put the file back, or start at its beginning with `sluicebox cursor reset`";
            return Err(Error::new(ErrorClass::State, message).with_reason("inbox_replaced").with_help(help));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let newest = *self.newest.borrow();
        let kept = self.inbox.after(self.number, PAGE_DELIVERIES, PAGE_BYTES).await?;
        let mut batch = Batch::empty(None);
        for one in &kept {
            match (self.read)(one) {
                Ok(event) => batch.events.extend(event),
                Err(reject) => batch.rejects.push(*reject),
            }
        }
        if let Some(last) = kept.last() {
            self.number = last.number;
            self.begun = true;
        }
        self.looked_up_to = newest;
        batch.cursor = self.begun.then(|| Cursor::from(self.number.to_string()));
        // A full page may have more behind it; what came since wakes it.
        batch.caught_up = kept.is_empty() || self.number >= newest;
        batch.pace = if batch.caught_up { Pace::After(REST) } else { Pace::Immediately };
        Ok(Some(batch))
    }

    async fn woken(&mut self) {
        // Not `number`: what lies between may be gone, if the cursor was set back by hand.
        let known = self.looked_up_to;
        if self.newest.wait_for(|newest| *newest > known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(Remover(self.inbox.clone())))
    }
}

/// Removes from the inbox what is durable everywhere.
struct Remover(Inbox);

#[async_trait]
impl Committer for Remover {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        let number = cursor.as_str().and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| Error::config("the cursor is not the number of a delivery"))?;
        self.0.remove(number).await
    }
}

//! The source of one partition: pages out of its queue.
//!
//! Invariant: the cursor is the next offset to read, and only moves forward while this partition is ours or another member
//! of the group has read on. A page is taken whole or not at all: nothing waits between taking records and giving them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use sluicebox_core::{Batch, Committer, Cursor, Environment, Error, Gap, Result, Source, Timestamp, Unread};

use super::decode::{Form, Record};
use super::group::{GroupCommitter, Membership};
use super::lane::{Hold, Lane, Place};
use super::look::group_error;
use super::member::Member;
use super::spec::OnOffsetExpired;
use crate::fault::{Fault, call_error};

/// How long to wait before looking at a queue again that has said nothing.
const RECHECK: Duration = Duration::from_secs(1);

/// How pages are made.
#[derive(Clone, Copy)]
pub(super) struct Pages {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) on_offset_expired: OnOffsetExpired,
}

/// Reads one partition.
pub(super) struct PartitionSource {
    membership: Arc<Membership>,
    lane: Arc<Lane>,
    form: Arc<Form>,
    pages: Pages,
    environment: Environment,
    /// The next offset to read; `None` until that is known.
    position: Option<i64>,
    /// The cursor that the engine has heard last.
    told: Option<i64>,
    /// Where the very first reading began, which `start` decided once.
    origin: Option<i64>,
    /// The end that there was when the partition was given to us, until it is reached.
    first_end: Option<i64>,
    /// Whether the queue had nothing more at the end of the partition.
    at_end: bool,
    caught_up: bool,
    /// Whether the broker did not find our offset.
    is_doubtful: bool,
    /// What came behind the records of a page.
    fault: Option<KafkaError>,
    last_seen: Option<Timestamp>,
}

impl PartitionSource {
    pub(super) fn new(
        membership: Arc<Membership>,
        lane: Arc<Lane>,
        form: Form,
        pages: Pages,
        environment: Environment,
    ) -> Self {
        Self {
            membership,
            lane,
            form: Arc::new(form),
            pages,
            environment,
            position: None,
            told: None,
            origin: None,
            first_end: None,
            at_end: false,
            caught_up: false,
            is_doubtful: false,
            fault: None,
            last_seen: None,
        }
    }

    /// What there is to give now; `None`: wait.
    fn step(&mut self) -> Result<Option<Batch>> {
        let lane = Arc::clone(&self.lane);
        let mut state = lane.state();
        match &state.hold {
            Hold::Away { settled } => Ok(settled.then(|| self.leave()).flatten()),
            Hold::Granted | Hold::Wanted(_) => Ok(None),
            Hold::Placed(place) => {
                let batch = self.stand(*place)?;
                state.hold = Hold::Wanted(self.position.unwrap_or_default());
                Ok(batch)
            }
            Hold::Reading(queue) => {
                let gathered = self.gather(queue);
                if gathered.is_err() || self.is_doubtful {
                    state.hold = Hold::Granted;
                }
                gathered
            }
        }
    }

    /// Another member reads on: for us there is nothing more, until it comes back.
    fn leave(&mut self) -> Option<Batch> {
        self.at_end = false;
        let is_news = !std::mem::replace(&mut self.caught_up, true);
        is_news.then(|| Batch { caught_up: true, ..self.empty() })
    }

    /// Decides where reading begins, and says so if that is new.
    fn stand(&mut self, place: Place) -> Result<Option<Batch>> {
        let begun = self.position.max(place.committed);
        let position = *self.origin.get_or_insert_with(|| begun.unwrap_or(place.start));
        let position = begun.unwrap_or(position);
        self.at_end = false;
        let is_gone = position < place.low || (self.is_doubtful && position > place.end);
        let is_doubtful = std::mem::take(&mut self.is_doubtful);
        if is_gone {
            return self.expired(position, place).map(Some);
        }
        if is_doubtful {
            let name = self.lane.name();
            return Err(Error::transient(format!("the broker does not find offset {position} of {name}")));
        }
        self.position = Some(position);
        self.first_end = Some(place.end);
        let is_caught_up = self.has_reached_the_end();
        let was_caught_up = std::mem::replace(&mut self.caught_up, is_caught_up);
        let is_news = self.told != self.position || (is_caught_up && !was_caught_up);
        Ok(is_news.then(|| Batch { caught_up: is_caught_up, ..self.empty() }))
    }

    /// The broker no longer has what comes next.
    fn expired(&mut self, position: i64, place: Place) -> Result<Batch> {
        let (name, Place { low, end, .. }) = (self.lane.name(), place);
        let message =
            format!("offset {position} of {name} is no longer available; there are {low} to {end} now");
        match self.pages.on_offset_expired {
            OnOffsetExpired::Stop => Err(Error::permanent(message).with_reason("offset_expired").with_help(
                "records are lost to us; to go on with what there is: `on_offset_expired: reset`",
            )),
            OnOffsetExpired::Reset => {
                self.position = Some(low);
                let lost_cursor = Some(Cursor::from(position.to_string()));
                let gap = Gap { lost_cursor, last_seen: self.last_seen, message };
                Ok(Batch { gap: Some(gap), ..self.empty() })
            }
        }
    }

    /// Takes a page out of the queue.
    fn gather(&mut self, queue: &PartitionQueue<Member>) -> Result<Option<Batch>> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut fault = self.fault.take();
        let mut is_drained = false;
        while fault.is_none() && records.len() < self.pages.records && bytes < self.pages.bytes {
            match queue.poll(Duration::ZERO) {
                None => {
                    is_drained = true;
                    break;
                }
                Some(Ok(message)) => {
                    self.at_end = false;
                    if self.position.is_some_and(|position| message.offset() < position) {
                        continue;
                    }
                    self.position = Some(message.offset() + 1);
                    let record = self.form.record(&message);
                    bytes += record.size();
                    records.push(record);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.at_end = true,
                Some(Err(error)) => fault = Some(error),
            }
        }
        if records.is_empty() {
            if let Some(fault) = fault {
                return self.failed(&fault).map(|()| None);
            }
            let is_news = self.has_reached_the_end() && !self.caught_up;
            self.caught_up |= is_news;
            return Ok(is_news.then(|| Batch { caught_up: true, ..self.empty() }));
        }
        self.fault = fault;
        // After the end was reached once, a page that empties the queue is at the end too, as far as anybody knows.
        self.caught_up = self.has_reached_the_end() || (self.caught_up && is_drained);
        Ok(Some(self.page(records, bytes)))
    }

    /// Whether this is the end, or the end that there was when the partition was given to us.
    fn has_reached_the_end(&mut self) -> bool {
        let is_first = self.position >= self.first_end && self.first_end.is_some();
        if is_first {
            self.first_end = None;
        }
        is_first || self.at_end
    }

    fn page(&mut self, records: Vec<Record>, bytes: usize) -> Batch {
        let received = self.environment.clock.now();
        self.last_seen = records.last().map(|record| record.time_or(received));
        let form = Arc::clone(&self.form);
        let count = records.len();
        let read = Box::new(move || {
            let (mut events, mut rejects) = (Vec::with_capacity(records.len()), Vec::new());
            for record in records {
                match form.read(record, received) {
                    Ok(event) => events.push(event),
                    Err(reject) => rejects.push(*reject),
                }
            }
            (events, rejects)
        });
        let unread = Some(Unread { count, bytes, read });
        Batch { unread, caught_up: self.caught_up, ..self.empty() }
    }

    /// An empty page at the present position.
    fn empty(&mut self) -> Batch {
        self.told = self.position;
        Batch::empty(self.position.map(|position| Cursor::from(position.to_string())))
    }

    /// An error that the queue gave.
    fn failed(&mut self, error: &KafkaError) -> Result<()> {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let attempt = format!("read the partition {}", self.lane.name());
        match code {
            // What there is has to be asked for first.
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                self.is_doubtful = true;
                Ok(())
            }
            _ if Fault::of(code) == Fault::Auth => Err(group_error(error)),
            // It may be made again, or its topic is about to be gone for good: the group will say.
            _ if Fault::of(code) == Fault::UnknownTopic => {
                Err(Error::transient(format!("cannot {attempt}")).with_cause(error.clone()))
            }
            _ => Err(call_error(error, &attempt)),
        }
    }
}

#[async_trait]
impl Source for PartitionSource {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let offset = |cursor: &Cursor| {
            let offset = cursor.as_str().and_then(|text| text.parse::<i64>().ok());
            offset.filter(|offset| *offset >= 0).ok_or_else(|| {
                let message = format!("the cursor `{}` is not an offset", cursor.to_text());
                Error::config(message)
                    .with_reason("cursor_rejected")
                    .with_help("set the offset to read next with `sluicebox cursor set`")
            })
        };
        let saved = saved.map(offset).transpose()?;
        self.position = saved.or(self.origin);
        self.told = saved;
        self.at_end = false;
        self.caught_up = false;
        self.fault = None;
        self.lane.reopen();
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.step()? {
                return Ok(Some(batch));
            }
            // Kept by the lane if it comes before we wait.
            let clock = Arc::clone(&self.environment.clock);
            tokio::select! {
                () = self.lane.changed.notified() => {}
                () = clock.sleep(RECHECK) => {}
            }
        }
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        let clock = Arc::clone(&self.environment.clock);
        Some(Box::new(GroupCommitter::new(Arc::clone(&self.membership), Arc::clone(&self.lane), clock)))
    }
}

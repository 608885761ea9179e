//! Dead letters that people want replayed: a feed of requests that ends in the middle of the pipeline.
//!
//! A letter enters again at the component that gave it up, as the event that had reached it, with the failures of its
//! past in `meta.replay`. The requests are a partition like any other, with a cursor, so a replay is exactly once where
//! the sink is. Invariant: a letter is forgotten only after its event is durable (or is a newer letter).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{
    Batch, CheckpointStore, Committer, Cursor, DeadLetter, DeadLetterError, Event, Pace, PastFailure, Reason,
    Replay, Request, Result, Source, Wish,
};
use smol_str::SmolStr;
use tokio::sync::mpsc;

use crate::edge::Tracked;
use crate::flow::{Arrival, Flow};
use crate::member::{Cause, SharedMember};
use crate::partitions::Partitions;
use crate::status::Failure;

/// The partition's source, which no component can be called.
pub(crate) const SOURCE: &str = ":dead-letters";
/// Its account.
pub(crate) const ACCOUNT: &str = "replay";

/// How often the requests are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most letters in one page.
const PAGE: usize = 200;

/// Reads requests.
pub(crate) struct Requests {
    store: Arc<dyn CheckpointStore>,
    partitions: Arc<Partitions>,
    done: u64,
    /// Whether it has been told that a letter waits.
    waiting: bool,
}

impl Requests {
    pub(crate) fn new(store: Arc<dyn CheckpointStore>, partitions: Arc<Partitions>) -> Self {
        Self { store, partitions, done: 0, waiting: false }
    }

    /// Whether the event of a letter may come again by itself: then it is not replayed yet.
    fn is_open(&self, wish: &Wish) -> bool {
        let Wish::Replay(letter) = wish else { return false };
        let page = letter.page.as_ref();
        let partition = page.and_then(|page| self.partitions.find(&page.source, &page.partition));
        partition.is_some_and(|partition| partition.is_open(&letter.key()))
    }

    /// The requests up to the first whose letter has to wait.
    fn ready(&mut self, mut requests: Vec<Request>) -> Vec<Request> {
        let open = requests.iter().position(|request| self.is_open(&request.wish));
        if let (Some(at), false) = (open, self.waiting)
            && let Wish::Replay(letter) = &requests[at].wish
        {
            tracing::info!(
                component = %letter.component, account = %letter.meta.account, event = "dead_letter",
                id = %letter.meta.id,
                "event {} is replayed once its page is delivered everywhere and its cursor saved", letter.meta.id
            );
        }
        self.waiting = open.is_some();
        requests.truncate(open.unwrap_or(requests.len()));
        requests
    }
}

#[async_trait]
impl Source for Requests {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.done = saved.and_then(Cursor::as_str).and_then(|number| number.parse().ok()).unwrap_or(0);
        // A run may have ended between the checkpoint and this.
        self.store.requests_done(self.done).await
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let requests = self.store.requests(self.done, PAGE).await?;
        let requests = self.ready(requests);
        let Some(last) = requests.last().map(|request| request.number) else {
            let pace = Pace::After(INTERVAL);
            let at = (self.done > 0).then(|| Cursor::from(self.done.to_string()));
            return Ok(Some(Batch { pace, caught_up: !self.waiting, ..Batch::empty(at) }));
        };
        self.done = last;
        let letters = requests.into_iter().filter_map(|Request { wish, .. }| match wish {
            Wish::Replay(letter) => Some(event(*letter)),
            Wish::Drop => None,
        });
        Ok(Some(Batch { events: letters.collect(), ..Batch::empty(Some(Cursor::from(last.to_string()))) }))
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(Done(Arc::clone(&self.store))))
    }
}

/// Forgets what has been replayed.
struct Done(Arc<dyn CheckpointStore>);

#[async_trait]
impl Committer for Done {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        match cursor.as_str().and_then(|number| number.parse().ok()) {
            Some(number) => self.0.requests_done(number).await,
            None => Ok(()),
        }
    }
}

/// The event of a letter, with its past.
fn event(letter: DeadLetter) -> Event {
    let DeadLetter { time, component, reason, error, attempts, mut meta, event, page: _ } = letter;
    let mut failures = meta.replay.take().map_or_else(Vec::new, |replay| replay.failures.clone());
    failures.push(PastFailure { time, component, reason, message: error.message });
    let kept = failures.len().saturating_sub(Replay::FAILURES);
    meta.replay = Some(Arc::new(Replay { attempts, failures: failures.split_off(kept) }));
    Event::from_validated(event, meta)
}

/// The flows of every source, for events that enter in the middle.
pub(crate) struct ReplayFlow {
    pub(crate) flows: Vec<Flow>,
    pub(crate) member: SharedMember,
}

impl ReplayFlow {
    /// Takes pages of letters until their poller is gone.
    ///
    /// # Errors
    /// As [`Flow::run`].
    pub(crate) async fn run(self, mut pages: mpsc::Receiver<Arrival>) -> std::result::Result<(), Failure> {
        while let Some(arrival) = pages.recv().await {
            if !arrival.partition.take_back(arrival.page.events.iter().map(Event::meta)).await {
                return Ok(());
            }
            let mut boxes: Vec<_> = self.flows.iter().map(Flow::boxes).collect();
            for (event, token) in arrival.page.events.into_iter().zip(arrival.tokens) {
                let tracked = Tracked { event, token };
                let flow =
                    self.flows.iter().position(|flow| *flow.source.name == *tracked.event.meta().source);
                let left = match flow {
                    Some(index) => self.enter(index, tracked, &mut boxes[index]),
                    None => Some(tracked),
                };
                if let Some(tracked) = left {
                    self.put_back(tracked);
                }
            }
            for (flow, boxes) in self.flows.iter().zip(boxes) {
                flow.carry(boxes, &arrival.partition, arrival.received).await?;
            }
            drop(arrival.busy);
        }
        Ok(())
    }

    /// Puts a letter in front of the component that gave it up; gives it back if there is none.
    fn enter(&self, index: usize, tracked: Tracked, boxes: &mut crate::flow::Boxes) -> Option<Tracked> {
        let flow = &self.flows[index];
        let Some(past) = past(&tracked.event).cloned() else { return Some(tracked) };
        let json = tracked.event.json();
        if past.reason == Reason::Parse || past.component == flow.source.name {
            // What could not be read as an event may still not be one.
            match Event::parse(&json, tracked.event.meta().clone()) {
                Ok(event) => return flow.enter(&past.component, Tracked { event, ..tracked }, boxes),
                Err(error) => {
                    let cause = Cause::new(Reason::Parse, DeadLetterError::new(error.to_string()));
                    flow.source.give_up(&tracked.event, tracked.token, cause);
                    return None;
                }
            }
        }
        flow.enter(&past.component, tracked, boxes)
    }

    /// A letter of a component that is not in the pipeline any more stays a letter, as it was.
    fn put_back(&self, Tracked { event, token }: Tracked) {
        let mut meta = event.meta().clone();
        let Some(replay) = meta.replay.clone() else { return };
        let mut failures = replay.failures.clone();
        let Some(PastFailure { time, component, reason, message }) = failures.pop() else { return };
        tracing::warn!(
            component = %component, account = %meta.account, event = "dead_letter", id = %meta.id,
            "event {} cannot be replayed: this pipeline has no component `{component}` below `{}`", meta.id, meta.source
        );
        meta.replay = Some(Arc::new(Replay { attempts: replay.attempts, failures }));
        let help = Some(format!("this pipeline has no component `{component}` any more"));
        let error = DeadLetterError { help, ..DeadLetterError::new(message) };
        let event: Bytes = event.json();
        let attempts = replay.attempts;
        let letter = DeadLetter { time, component, reason, error, attempts, meta, event, page: None };
        self.member.checkpointer.dead_letter(letter, token);
    }
}

/// The end that the letter is replayed from.
fn past(event: &Event) -> Option<&PastFailure> {
    event.meta().replay.as_ref().and_then(|replay| replay.failures.last())
}

/// Names of the partition, for positions.
pub(crate) fn partition_name() -> crate::origins::PartitionName {
    (SmolStr::new_static(SOURCE), SmolStr::new_static(ACCOUNT))
}

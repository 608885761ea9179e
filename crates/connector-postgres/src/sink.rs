//! The `postgres` sink at work, exactly once: one transaction per window, and one connection.
//!
//! Invariant: a window is written again only once it is certain that its last attempt was not committed. A connection
//! that broke is given up, the next one waits until the transaction of the first has ended, and the positions that it
//! finds say how. What was acknowledged once must be among them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{
    Committed, Error, ErrorClass, Event, Opened, Position, Rejected, Result, Shard, TransactionalSink, Window,
};
use smol_str::SmolStr;

use crate::link::{Destination, Link, behind};
use crate::load::Loaded;
use crate::window::Entries;

/// Writes rows, dead letters and positions in one transaction.
pub(crate) struct TransactionalPostgres {
    destination: Arc<Destination>,
    /// The shard with the epoch that is ours.
    shard: Option<Shard>,
    link: Option<Link>,
    /// The last attempt, as long as nobody knows how it ended.
    attempt: Option<Attempt>,
    /// The positions that are certainly committed, by source and partition.
    acknowledged: HashMap<(SmolStr, SmolStr), Position>,
    /// Events that turned out to be committed by an attempt that had seemed to fail, until they came again.
    committed: HashSet<EventName>,
}

/// What would be in the database if the attempt was committed.
struct Attempt {
    events: Vec<EventName>,
    positions: Vec<Position>,
}

/// Source, account and id.
type EventName = (Arc<str>, Arc<str>, SmolStr);

fn name_of(event: &Event) -> EventName {
    let meta = event.meta();
    (Arc::clone(&meta.source), Arc::clone(&meta.account), meta.id.clone())
}

impl TransactionalPostgres {
    pub(crate) fn new(destination: Arc<Destination>) -> Self {
        Self {
            destination,
            shard: None,
            link: None,
            attempt: None,
            acknowledged: HashMap::new(),
            committed: HashSet::new(),
        }
    }

    /// A link to write with; after a connection was lost, a new one, which knows how the last attempt ended.
    async fn link(&mut self) -> Result<Link> {
        if let Some(mut link) = self.link.take()
            && !link.session.is_gone().await
        {
            return Ok(link);
        }
        let shard = self.shard.clone();
        let shard = shard.ok_or_else(|| Error::new(ErrorClass::State, "the database was not opened"))?;
        let (link, stored) = Link::resume(&self.destination, shard).await?;
        let attempt = self.attempt.take_if(|attempt| attempt.is_in(&stored));
        if let Some(attempt) = attempt {
            self.committed.extend(attempt.events);
            self.acknowledge(attempt.positions);
        }
        if !self.acknowledged.values().all(|position| stored.contains(position)) {
            return Err(behind(&self.destination));
        }
        self.attempt = None;
        Ok(link)
    }

    fn acknowledge(&mut self, positions: Vec<Position>) {
        let keyed = positions
            .into_iter()
            .map(|position| ((position.source.clone(), position.partition.clone()), position));
        self.acknowledged.extend(keyed);
    }

    async fn commit_rest(
        &mut self,
        events: &[Event],
        window: &Window<'_>,
        mut link: Link,
    ) -> Result<Committed> {
        let positions = window.positions.to_vec();
        self.attempt = Some(Attempt { events: events.iter().map(name_of).collect(), positions });
        let entries = Entries { dead_letters: window.dead_letters, positions: window.positions };
        let loaded = link.load(&self.destination, events, entries).await?;
        // Whoever gets here knows how the attempt ended; everyone else finds out in `link`.
        let attempt = self.attempt.take();
        self.link = Some(link);
        Ok(match loaded {
            Loaded::All => {
                self.acknowledge(attempt.map(|attempt| attempt.positions).unwrap_or_default());
                Committed::All
            }
            Loaded::Nothing(rejected) => Committed::Nothing(rejected),
        })
    }
}

impl Attempt {
    /// Every window moves the positions of its partitions, so equal positions mean that it is in.
    fn is_in(&self, stored: &[Position]) -> bool {
        !self.positions.is_empty() && self.positions.iter().all(|position| stored.contains(position))
    }
}

#[async_trait]
impl TransactionalSink for TransactionalPostgres {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        (self.link, self.attempt) = (None, None);
        self.committed.clear();
        let (link, positions) = Link::take(&self.destination, shard.clone()).await?;
        let shard = link.books.as_ref().map_or_else(|| shard.clone(), |books| books.shard.clone());
        let epoch = shard.epoch;
        self.acknowledged.clear();
        self.acknowledge(positions.clone());
        (self.shard, self.link) = (Some(shard), Some(link));
        Ok(Opened { epoch, positions })
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        let link = self.link().await?;
        if self.committed.is_empty() {
            return self.commit_rest(window.events, window, link).await;
        }
        let is_new = |index: &usize| !self.committed.contains(&name_of(&window.events[*index]));
        let places: Vec<usize> = (0..window.events.len()).filter(is_new).collect();
        let rest: Vec<Event> = places.iter().map(|place| window.events[*place].clone()).collect();
        let outcome = self.commit_rest(&rest, window, link).await?;
        Ok(match outcome {
            Committed::All => {
                self.committed.clear();
                Committed::All
            }
            Committed::Nothing(rejected) => Committed::Nothing(
                rejected.into_iter().map(|it| Rejected { index: places[it.index], ..it }).collect(),
            ),
        })
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(link) = self.link.take() {
            link.session.close().await;
        }
        Ok(())
    }
}

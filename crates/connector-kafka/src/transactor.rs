//! Windows as Kafka transactions: records, dead letters and positions, whole or not at all. Blocks.
//!
//! # Taking over
//!
//! 1. Read the position topic, so that little is left to read later.
//! 2. `init_transactions`: the brokers end what a predecessor left open and refuse it from now on.
//! 3. Read the rest. Nothing of a predecessor can be committed any more, so this is the truth.
//! 4. Commit an owner record with a higher epoch.
//!
//! A predecessor that was only asleep finds itself refused, reads the owner record *before* it would call
//! `init_transactions` itself, and stops for good. Between 2 and 4 it would find its own epoch there and take over again;
//! 3 is short so that this does not happen, and if it does, 4 fails and is tried again. Nothing is committed twice
//! either way: whoever commits has read the positions after its own `init_transactions`.
//!
//! # An end that nobody knows
//!
//! If the answer to the end of a transaction does not come, the producer is destroyed and the window kept as a doubt. The
//! next call takes over again and reads: the window's positions are there or not, and so are its records.

use std::collections::{BTreeMap, HashSet};

use rdkafka::producer::Producer as _;
use sluicebox_core::{
    Committed, DeadLetter, Error, ErrorClass, Event, Opened, Position, Rejected, Result, Shard, Window,
};
use smol_str::SmolStr;

use crate::admin::Admin;
use crate::fault::{Fault, call_error, is_about_a_record};
use crate::forgotten;
use crate::ledger::{Entry, Ledger};
use crate::own_topics::OwnTopics;
use crate::producer::Producer;
use crate::reader::Reader;
use crate::setup::Setup;
use crate::transaction::{Failure, Transaction};
use crate::verdict::{Packing, Verdict};

/// Bytes of a record and its request beside key and value, generously.
const OVERHEAD: usize = 200;

/// Owns the positions of one pipeline and sink.
pub(crate) struct Transactor {
    pub(crate) setup: Setup,
    topics: OwnTopics,
    transactional_id: String,
    packing: Packing,
    /// Most bytes of a record of our own, key and value.
    own_record_bytes: usize,
    /// With the epoch that is ours; `None` before the first open.
    shard: Option<Shard>,
    /// `None`: taken over again before the next window.
    producer: Option<Producer>,
    /// A window of which nobody knows whether it is committed.
    doubt: Option<Trace>,
    /// The last window that was committed; the engine may not have heard of it.
    last: Option<Trace>,
    /// How far each partition is since the last open, by source and partition.
    reached: BTreeMap<(SmolStr, SmolStr), u64>,
    /// What is committed although the engine does not know: the same events come again, and are left out.
    known: Option<Trace>,
}

/// A window that can be handed to another thread; events are shared, not copied.
pub(crate) struct OwnedWindow {
    events: Vec<Event>,
    dead_letters: Vec<DeadLetter>,
    positions: Vec<Position>,
}

impl OwnedWindow {
    pub(crate) fn of(window: &Window<'_>) -> Self {
        Self {
            events: window.events.to_vec(),
            dead_letters: window.dead_letters.to_vec(),
            positions: window.positions.to_vec(),
        }
    }
}

/// What is kept of a window to recognise it.
struct Trace {
    events: HashSet<SmolStr>,
    dead_letters: HashSet<SmolStr>,
    positions: Vec<Position>,
}

impl Trace {
    fn of(window: &OwnedWindow) -> Self {
        Self {
            events: window.events.iter().map(|event| event.meta().id.clone()).collect(),
            dead_letters: window.dead_letters.iter().map(|letter| letter.meta.id.clone()).collect(),
            positions: window.positions.clone(),
        }
    }

    /// Whether all of a window is in here. The positions of the same window may have moved on between two attempts,
    /// because other sinks settled something; then they are still to be written.
    fn holds(&self, window: &OwnedWindow) -> bool {
        window.events.iter().all(|event| self.events.contains(&event.meta().id))
            && window.dead_letters.iter().all(|letter| self.dead_letters.contains(&letter.meta.id))
            && window.positions.iter().all(|position| self.positions.contains(position))
    }
}

impl Transactor {
    pub(crate) fn new(setup: Setup, topics: OwnTopics, transactional_id: String) -> Self {
        let packing = setup.packing();
        Self {
            setup,
            topics,
            transactional_id,
            packing,
            own_record_bytes: packing.batch_bytes.saturating_sub(OVERHEAD),
            shard: None,
            producer: None,
            doubt: None,
            last: None,
            reached: BTreeMap::new(),
            known: None,
        }
    }

    /// Takes over from whoever owned the positions before.
    pub(crate) fn open(&mut self, shard: Shard) -> Result<Opened> {
        // Whatever became of the last window shows in the positions.
        (self.producer, self.doubt, self.last, self.known) = (None, None, None, None);
        self.reached.clear();
        let own_bytes = self.topics.ensure(&self.setup)?;
        // Several records of ours share a request; a single one is smaller still.
        self.packing.batch_bytes = self.packing.batch_bytes.min(own_bytes);
        self.own_record_bytes = self.setup.packing().batch_bytes.min(own_bytes).saturating_sub(OVERHEAD);
        let (producer, ledger) = self.take_over(&shard, |_| Ok(()))?;
        let (owner, positions) = (ledger.owner()?, ledger.positions()?);
        let shard = Shard { epoch: shard.epoch.max(owner.map_or(0, |owner| owner + 1)), ..shard };
        let entry = Entry::owner(&shard, &self.transactional_id);
        let transaction = Transaction { producer: &producer, setup: &self.setup };
        transaction.of_one(&self.topics.positions, &entry).map_err(|failure| {
            passing(failure.into_error(), "another instance took over at the same time")
        })?;
        let opened = Opened { epoch: shard.epoch, positions };
        (self.producer, self.shard) = (Some(producer), Some(shard));
        Ok(opened)
    }

    /// Commits a window; `heard`: whether the engine knows how the window before it ended.
    pub(crate) fn commit(&mut self, window: &OwnedWindow, heard: bool) -> Result<Committed> {
        let last = self.last.take().filter(|_| !heard);
        self.known = last.or(self.known.take());
        let Some(shard) = self.shard.clone() else {
            return Err(Error::new(ErrorClass::State, "the position topic was not read"));
        };
        if self.producer.is_none() {
            self.reopen(&shard)?;
        }
        if self.known.as_ref().is_some_and(|known| known.holds(window)) {
            self.last = self.known.take();
            return Ok(Committed::All);
        }
        let Some(producer) = self.producer.take() else {
            return Err(Error::new(ErrorClass::State, "there is no producer"));
        };
        let result = self.attempt(&producer, &shard, window);
        match result {
            Ok(committed) => {
                if matches!(committed, Committed::All) {
                    self.note_committed(window);
                }
                self.producer = Some(producer);
                Ok(committed)
            }
            Err(Failure::Aborted(error)) => {
                self.producer = Some(producer);
                Err(error)
            }
            Err(Failure::Broken(error)) => Err(self.after_fence(producer, &shard, error)),
            Err(Failure::Unknown(error)) => {
                self.doubt = Some(Trace::of(window));
                Err(self.after_fence(producer, &shard, error))
            }
        }
    }

    fn note_committed(&mut self, window: &OwnedWindow) {
        (self.last, self.known) = (Some(Trace::of(window)), None);
        for position in &window.positions {
            self.reached.insert((position.source.clone(), position.partition.clone()), position.safe_seq);
        }
    }

    pub(crate) fn close(&mut self) {
        // Nothing is on its way between two windows.
        self.producer = None;
    }

    /// Takes over again what is still ours, and settles a doubt.
    fn reopen(&mut self, shard: &Shard) -> Result<()> {
        let (producer, ledger) = self.take_over(shard, |ledger| still_ours(ledger, shard))?;
        let stored = ledger.positions()?;
        self.check_nothing_is_lost(ledger.owner()?, &stored)?;
        if let Some(doubt) = self.doubt.take()
            && !doubt.positions.is_empty()
            && doubt.positions.iter().all(|position| stored.contains(position))
        {
            self.known = Some(doubt);
        }
        self.producer = Some(producer);
        Ok(())
    }

    /// What was committed must still be there: an unclean election, or a person who ended transactions by hand, may have
    /// taken it back. Then the engine has to begin again from what is there.
    fn check_nothing_is_lost(&self, owner: Option<u64>, stored: &[Position]) -> Result<()> {
        let is_there = |((source, partition), seq): (&(SmolStr, SmolStr), &u64)| {
            stored.iter().any(|it| it.source == *source && it.partition == *partition && it.safe_seq >= *seq)
        };
        if owner.is_some() && self.reached.iter().all(is_there) {
            return Ok(());
        }
        let message = format!("the topic `{}` has lost positions that were committed", self.topics.positions);
        Err(Error::new(ErrorClass::State, message)
            .with_help("restart: the pipeline says where it stands and how to go on from there"))
    }

    /// Reads, fences, reads the rest; `accept` is asked after each reading whether to go on.
    fn take_over(&self, shard: &Shard, accept: impl Fn(&Ledger) -> Result<()>) -> Result<(Producer, Ledger)> {
        let Setup { base, timeout, .. } = &self.setup;
        let admin = Admin::new(base, *timeout)?;
        let mut reader = Reader::new(base, &self.topics.positions, shard, *timeout)?;
        reader.look()?;
        accept(&reader.ledger)?;
        let producer = Producer::new(&self.setup.transactional(self.packing, &self.transactional_id))?;
        producer.inner().init_transactions(*timeout).map_err(|error| {
            let attempt = format!("begin as the transactional writer `{}`", self.transactional_id);
            let error = call_error(&error, &attempt);
            let error = producer.trouble().lasting().unwrap_or(error);
            passing(error, "another instance took over at the same time")
        })?;
        forgotten::catch_up(&mut reader, &admin, &self.setup, shard)?;
        accept(&reader.ledger)?;
        Ok((producer, reader.ledger))
    }

    /// One transaction; aborted if a row is guilty.
    fn attempt(
        &mut self,
        producer: &Producer,
        shard: &Shard,
        window: &OwnedWindow,
    ) -> Result<Committed, Failure> {
        let transaction = Transaction { producer, setup: &self.setup };
        transaction.begin()?;
        let sent = transaction.send_events(&window.events, self.known.as_ref().map(|known| &known.events));
        if !sent.rejected.is_empty() {
            transaction.abort()?;
            return refused(sent.rejected);
        }
        if !sent.is_cut_short {
            self.send_own(&transaction, shard, window)?;
        }
        transaction.settle()?;
        let failed = producer.take_failed();
        if failed.is_empty() && !sent.is_cut_short {
            transaction.commit()?;
            return Ok(Committed::All);
        }
        if producer.is_dead() || failed.iter().any(|(_, code)| Fault::of(*code) == Fault::Fenced) {
            return Err(Failure::Broken(transaction.death()));
        }
        let mut verdict = Verdict::of(failed, &window.events, &self.setup.recipe, self.packing);
        transaction.abort()?;
        if let Some(error) = verdict.stop {
            return Err(Failure::Aborted(error));
        }
        if !verdict.guilty.is_empty() {
            return refused(verdict.guilty);
        }
        let error = verdict.again.pop().map(|rejected| rejected.error);
        let error = error.unwrap_or_else(|| Error::transient("the brokers refused a transaction half-way"));
        if let Some(topic) = &verdict.crowded {
            self.packing = self.setup.repacked(self.packing, topic);
            // A new producer packs anew; the next window makes it.
            return Err(Failure::Broken(error));
        }
        Err(Failure::Aborted(error))
    }

    /// Dead letters and positions of a window; they have no index of their own.
    fn send_own(
        &self,
        transaction: &Transaction<'_>,
        shard: &Shard,
        window: &OwnedWindow,
    ) -> Result<(), Failure> {
        let beyond = window.events.len();
        let limit = self.own_record_bytes;
        let known = self.known.as_ref().map(|known| &known.dead_letters);
        for letter in &window.dead_letters {
            if known.is_some_and(|known| known.contains(&letter.meta.id)) {
                continue;
            }
            if let Some(entry) = Entry::dead_letter(shard, letter, limit) {
                transaction.send(&self.topics.dead_letters, &entry, beyond)?;
            } else {
                let (id, topic) = (&letter.meta.id, &self.topics.dead_letters);
                tracing::warn!(%id, %topic, "a dead letter is too large for a record even without its event");
            }
        }
        let positions = window.positions.iter().flat_map(|position| Entry::position(shard, position, limit));
        for entry in positions {
            transaction.send(&self.topics.positions, &entry, beyond)?;
        }
        Ok(())
    }

    /// The error to report after a producer has died: `Fenced` if that was the work of a new owner.
    fn after_fence(&self, producer: Producer, shard: &Shard, error: Error) -> Error {
        drop(producer);
        if error.class() != ErrorClass::Fenced {
            return error;
        }
        let look = || {
            let mut reader =
                Reader::new(&self.setup.base, &self.topics.positions, shard, self.setup.timeout)?;
            reader.look()?;
            still_ours(&reader.ledger, shard)
        };
        look().err().unwrap_or_else(|| passing(error, "no new owner has shown itself yet"))
    }
}

/// Rows that can never be committed, unless what refused one was not about it.
fn refused(mut rejected: Vec<Rejected>) -> Result<Committed, Failure> {
    match rejected.iter().position(|rejected| !is_about_a_record(&rejected.error)) {
        Some(at) => Err(Failure::Aborted(rejected.swap_remove(at).error)),
        None => Ok(Committed::Nothing(rejected)),
    }
}

/// A higher epoch in the position topic means that somebody else owns the positions now.
fn still_ours(ledger: &Ledger, shard: &Shard) -> Result<()> {
    match ledger.owner()? {
        Some(owner) if owner > shard.epoch => {
            let message = format!("another instance has taken over the positions of `{}`", shard.sink);
            Err(Error::new(ErrorClass::Fenced, message))
        }
        _ => Ok(()),
    }
}

/// Being refused is not the last word before the position topic has been read: until then it is a reason to try again.
fn passing(error: Error, meanwhile: &str) -> Error {
    if error.class() == ErrorClass::Fenced {
        return Error::transient(format!("the brokers refuse this writer, and {meanwhile}"))
            .with_cause(error);
    }
    error
}

//! The task of a transactional sink: events, dead letters and position in one atomic unit.
//!
//! Invariant: an id is committed at most once: what was committed beyond the safe cursor is remembered (`ahead`, in
//! the destination itself) and skipped when it comes again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sluicebox_core::{
    Committed, DeadLetter, Event, Opened, Position, Rejected, TransactionalSink, Verdict, Window,
};
use smol_str::SmolStr;

use super::{Desk, Duty, Inbox};
use crate::member::{Cause, Letters};
use crate::partition::Partition;
use crate::status::Failure;
use crate::trace::Became;

/// Ids that a sink has committed beyond the safe cursor of one partition, with the slot that brought each last.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    slots: HashMap<SmolStr, u64>,
}

/// The slot of an id that the destination remembered at start and that has not come again.
const RESTORED: u64 = 0;

impl Ahead {
    /// What the destination remembered at start.
    pub(crate) fn restored(ids: impl IntoIterator<Item = SmolStr>) -> Self {
        Self { slots: ids.into_iter().map(|id| (id, RESTORED)).collect() }
    }

    fn beyond(&self, safe_slot: u64) -> impl Iterator<Item = &SmolStr> {
        self.slots.iter().filter(move |(_, slot)| **slot > safe_slot || **slot == RESTORED).map(|(id, _)| id)
    }

    /// Forgets what the safe cursor has passed; restored ids too once the replay is certainly over.
    fn prune(&mut self, safe_slot: u64, replay_is_over: bool) {
        self.slots.retain(|_, slot| if *slot == RESTORED { !replay_is_over } else { *slot > safe_slot });
    }
}

/// Commits windows to a sink that holds its own positions.
pub(crate) struct TransactionalTask {
    desk: Desk,
    inbox: Inbox,
    sink: Box<dyn TransactionalSink>,
    /// The epoch that the destination gave us.
    epoch: u64,
    /// What the destination held of each partition when it was opened.
    held: Vec<Position>,
    /// By partition index; one that has sent nothing yet is missing.
    ahead: HashMap<usize, Ahead>,
    /// Whether the destination's positions are noted in the checkpoint, so that a restored backup is noticed.
    remembered: bool,
}

/// What a window holds of one slot.
struct Share {
    held: u32,
    /// Tokens of the slot that are open anywhere.
    open: u32,
}

/// A window on its way into the destination.
#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    duties: Vec<Duty>,
    dead_letters: Vec<DeadLetter>,
    given_up: Vec<(SmolStr, Duty)>,
}

impl TransactionalTask {
    /// A task that goes on where the destination stood when it was opened. `remembered`: see the field.
    pub(crate) fn new(
        desk: Desk,
        (inbox, sink): (Inbox, Box<dyn TransactionalSink>),
        opened: Opened,
        remembered: bool,
    ) -> Self {
        let Opened { epoch, positions: held } = opened;
        Self { desk, inbox, sink, epoch, held, ahead: HashMap::new(), remembered }
    }

    /// Runs until everything above is gone and everything is committed.
    ///
    /// # Errors
    /// Fenced or paused.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        while let Some((events, duties)) = self.inbox.next().await {
            let pending = self.skip_committed(events, duties);
            if !pending.events.is_empty() {
                self.commit(pending).await?;
            }
        }
        if let Err(error) = self.sink.close().await {
            tracing::warn!(component = %self.desk.member.name, "closing failed: {}", error.chain());
        }
        Ok(())
    }

    /// Settles what the destination holds already (a replay after a restart); the rest is to be committed.
    fn skip_committed(&mut self, events: Vec<Event>, duties: Vec<Duty>) -> Pending {
        let mut pending = Pending::default();
        let mut in_window = HashSet::new();
        // Most partitions are ahead of nothing: then nothing of them can be here already.
        let mut plain = None;
        for (event, duty) in events.into_iter().zip(duties) {
            let index = duty.partition.index;
            if plain.is_none_or(|(known, _)| known != index) {
                let is_ahead = !self.ahead(&duty.partition).slots.is_empty();
                plain = Some((index, !is_ahead && !duty.partition.has_restarted()));
            }
            if plain.is_some_and(|(_, is_plain)| is_plain) {
                pending.events.push(event);
                pending.duties.push(duty);
                continue;
            }
            let id = &event.meta().id;
            let ahead = self.ahead(&duty.partition);
            if let Some(slot) = ahead.slots.get_mut(id) {
                *slot = duty.token.slot();
                self.desk.member.trace(&event, || Became::Delivered);
                duty.token.resolve(Verdict::Delivered);
            } else if !duty.partition.has_restarted() || in_window.insert((duty.partition.index, id.clone()))
            {
                pending.events.push(event);
                pending.duties.push(duty);
            } else {
                self.desk.member.discard(duty.token, sluicebox_core::DiscardReason::Duplicate);
            }
        }
        pending
    }

    /// What the sink has committed of a partition beyond its safe cursor: at first what the destination remembers.
    fn ahead(&mut self, partition: &Partition) -> &mut Ahead {
        self.ahead.entry(partition.index).or_insert_with(|| {
            let of_partition = |position: &&Position| {
                (&position.source, &position.partition) == (&partition.source, &partition.account)
                    && position.epoch >= partition.floor_epoch
            };
            let held = self.held.iter().find(of_partition);
            Ahead::restored(held.iter().flat_map(|held| held.ahead.iter().cloned()))
        })
    }

    async fn commit(&mut self, mut pending: Pending) -> Result<(), Failure> {
        let mut backoff = self.desk.backoff();
        loop {
            let (positions, safe_slots) = self.positions(&pending);
            let window = Window {
                events: &pending.events,
                dead_letters: &pending.dead_letters,
                positions: &positions,
            };
            let clock = &self.desk.environment.clock;
            let before = clock.elapsed();
            let result = self.sink.commit(&window).await;
            let took = clock.elapsed().saturating_sub(before);
            self.desk.member.metrics.write_seconds.observe(took.as_secs_f64());
            match result {
                Ok(Committed::All) => {
                    self.desk.works_again(&mut backoff);
                    self.settle(pending, positions, &safe_slots);
                    return Ok(());
                }
                Ok(Committed::Nothing(rejected)) => {
                    pending = give_up(&self.desk, pending, rejected, 1 + backoff.attempts()).await?;
                }
                Err(error) if error.class().is_retryable() => self.desk.wait(&error, &mut backoff).await,
                Err(error) => return Err(self.desk.stop(&error).await),
            }
        }
    }

    /// The positions to write beside the window, and the safe slot that each of them stands for.
    fn positions(&self, pending: &Pending) -> (Vec<Position>, Vec<(Arc<Partition>, u64)>) {
        let mut partitions: BTreeMap<usize, (Arc<Partition>, HashMap<u64, Share>)> = BTreeMap::new();
        let duties: Vec<&Duty> =
            pending.duties.iter().chain(pending.given_up.iter().map(|(_, duty)| duty)).collect();
        // A page lies in one piece, so the books are opened once per page and not once per event.
        for page in duties.chunk_by(|one, next| one.is_of_page(next)) {
            let duty = page[0];
            let (_, shares) = partitions
                .entry(duty.partition.index)
                .or_insert_with(|| (Arc::clone(&duty.partition), HashMap::new()));
            let open = duty.token.open_in_slot();
            let share = shares.entry(duty.token.slot()).or_insert(Share { held: 0, open });
            share.held += u32::try_from(page.len()).unwrap_or(u32::MAX);
        }
        let mut positions = Vec::with_capacity(partitions.len());
        let mut slots = Vec::with_capacity(partitions.len());
        for (index, (partition, shares)) in partitions {
            // A slot closes with this window if the window holds every token that is still open in it.
            let safe =
                partition.preview(|slot| shares.get(&slot).is_some_and(|share| share.held == share.open));
            let ahead = self.ahead_of(index, safe.slot, pending);
            slots.push((Arc::clone(&partition), safe.slot));
            positions.push(Position {
                source: partition.source.clone(),
                partition: partition.account.clone(),
                epoch: self.epoch,
                safe_seq: safe.seq,
                safe_cursor: safe.cursor.map(|cursor| bytes::Bytes::copy_from_slice(cursor.as_bytes())),
                ahead,
            });
        }
        (positions, slots)
    }

    /// Ids committed beyond a safe slot once the window is in.
    fn ahead_of(&self, index: usize, safe_slot: u64, pending: &Pending) -> Vec<SmolStr> {
        let mut ids: Vec<SmolStr> = Vec::new();
        if let Some(ahead) = self.ahead.get(&index) {
            ids.extend(ahead.beyond(safe_slot).cloned());
        }
        let beyond = |duty: &Duty| duty.partition.index == index && duty.token.slot() > safe_slot;
        let delivered = pending.events.iter().zip(&pending.duties);
        ids.extend(delivered.filter(|(_, duty)| beyond(duty)).map(|(event, _)| event.meta().id.clone()));
        ids.extend(pending.given_up.iter().filter(|(_, duty)| beyond(duty)).map(|(id, _)| id.clone()));
        ids
    }

    fn settle(&mut self, pending: Pending, positions: Vec<Position>, safe_slots: &[(Arc<Partition>, u64)]) {
        let passed: HashMap<usize, u64> =
            safe_slots.iter().map(|(partition, slot)| (partition.index, *slot)).collect();
        let delivered = pending.events.iter().map(|event| &event.meta().id).zip(&pending.duties);
        let given_up = pending.given_up.iter().map(|(id, duty)| (id, duty));
        for (id, duty) in delivered.chain(given_up) {
            let slot = duty.token.slot();
            if passed.get(&duty.partition.index).is_none_or(|passed| slot > *passed) {
                let ahead = self.ahead.entry(duty.partition.index).or_default();
                ahead.slots.insert(id.clone(), slot);
            }
        }
        for (partition, slot) in safe_slots {
            if let Some(ahead) = self.ahead.get_mut(&partition.index) {
                ahead.prune(*slot, partition.replay_is_over());
            }
        }
        if self.remembered {
            let noted = positions.into_iter().map(|position| Position { ahead: Vec::new(), ..position });
            self.desk.member.checkpointer.remember_sink(&self.desk.member.name, noted.collect());
        }
        self.desk.delivered(&pending.events, pending.duties);
        for (_, duty) in pending.given_up {
            duty.token.resolve(Verdict::DeadLettered);
        }
    }
}

/// Rows that can never be committed become dead letters, durable in the store before they go into the window.
async fn give_up(
    desk: &Desk,
    pending: Pending,
    rejected: Vec<Rejected>,
    attempts: u32,
) -> Result<Pending, Failure> {
    let mut errors: HashMap<usize, _> =
        rejected.into_iter().map(|refusal| (refusal.index, refusal.error)).collect();
    let mut kept =
        Pending { dead_letters: pending.dead_letters, given_up: pending.given_up, ..Pending::default() };
    let mut letters = Vec::new();
    for (index, (event, duty)) in pending.events.into_iter().zip(pending.duties).enumerate() {
        let Some(error) = errors.remove(&index) else {
            kept.events.push(event);
            kept.duties.push(duty);
            continue;
        };
        desk.member.metrics.error(error.class());
        let letter = desk.member.letter(&event, Cause::refused(&error, attempts));
        match &desk.member.letters {
            // The event counts as open until that sink has the letter.
            Letters::Post(postbox) => {
                postbox.post(letter, duty.token);
                continue;
            }
            Letters::Store => letters.push((letter, Arc::clone(&duty.partition), duty.token.slot())),
            Letters::Drop => {}
        }
        kept.given_up.push((event.meta().id.clone(), duty));
    }
    if !letters.is_empty() && !desk.member.checkpointer.store_dead_letters(letters.clone()).await {
        return Err(Failure::Stopped);
    }
    kept.dead_letters.extend(letters.into_iter().map(|(letter, ..)| letter));
    Ok(kept)
}

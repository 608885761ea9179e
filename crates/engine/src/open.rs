//! Taking ownership at start: opens the sinks and raises the epoch.

use std::sync::Arc;

use bytes::Bytes;
use sluicebox_core::{
    BuiltSink, CheckpointStore, Commit, Cursor, Error, ErrorClass, Opened, PartitionRecord, Position, Shard,
    Sink, State, Timestamp, TransactionalSink, Window,
};
use smol_str::SmolStr;
use tokio_util::sync::CancellationToken;

use crate::build::{SinkSettings, UnopenedSink};
use crate::checkpointer::Checkpointer;
use crate::member::SharedMember;
use crate::options::RunOptions;
use crate::origins::{MEMORY_LOST, Origins, PartitionName};
use crate::sinks::CheckpointedSink;
use crate::status::Failure;

/// A sink ready to be fed.
pub(crate) struct OpenedSink {
    pub(crate) member: SharedMember,
    pub(crate) plan: SinkSettings,
    pub(crate) writer: Writer,
}

/// The two kinds of sink tasks.
pub(crate) enum Writer {
    Plain(Box<dyn Sink>),
    Transactional {
        sink: Box<dyn TransactionalSink>,
        opened: Opened,
        /// Whether the destination (not the checkpoint) holds the positions.
        own_positions: bool,
    },
}

/// Opens every sink, waiting for destinations that are away.
///
/// # Errors
/// A destination cannot be used, or was put back behind what we remember of it; or the drain began.
pub(crate) async fn sinks(
    pipeline: &str,
    unopened: Vec<UnopenedSink>,
    state: &State,
    (checkpointer, store): (&Checkpointer, &Arc<dyn CheckpointStore>),
    (options, drain): (&RunOptions, &CancellationToken),
) -> Result<Vec<OpenedSink>, Failure> {
    let mut sinks = Vec::with_capacity(unopened.len());
    for UnopenedSink { member, sink, plan } in unopened {
        let record = state.sinks.get(&member.name).cloned().unwrap_or_default();
        let (mut sink, own_positions): (Box<dyn TransactionalSink>, bool) = match sink {
            BuiltSink::Plain(sink) => {
                sinks.push(OpenedSink { member, plan, writer: Writer::Plain(sink) });
                continue;
            }
            BuiltSink::Resumable(sink) => (
                Box::new(CheckpointedSink::new(
                    sink,
                    checkpointer.clone(),
                    Arc::clone(store),
                    record.clone(),
                )),
                false,
            ),
            BuiltSink::Transactional(sink) => (sink, true),
        };
        let shard = Shard { pipeline: pipeline.into(), sink: member.name.clone(), epoch: state.epoch + 1 };
        let opened = open(sink.as_mut(), &shard, &member, (options, drain)).await?;
        if own_positions {
            let places = (&record.positions[..], &opened.positions[..]);
            refuse_restored_backup((pipeline, &member.name), places, state)?;
        }
        sinks.push(OpenedSink {
            member,
            plan,
            writer: Writer::Transactional { sink, opened, own_positions },
        });
    }
    Ok(sinks)
}

async fn open(
    sink: &mut dyn TransactionalSink,
    shard: &Shard,
    member: &SharedMember,
    (options, drain): (&RunOptions, &CancellationToken),
) -> Result<Opened, Failure> {
    let mut backoff = sluicebox_core::RetryOptions::default().backoff();
    loop {
        let error = match sink.open(shard).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if !error.class().is_retryable() {
            return Err(refused(&shard.sink, &error));
        }
        member.metrics.error(error.class());
        let wait = backoff.next(error.retry_after(), options.environment.chance.as_ref());
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        tracing::warn!(
            pipeline = %shard.pipeline, component = %shard.sink, event = "retry",
            "the destination cannot be opened, trying again in {:.1} s: {}{help}", wait.as_secs_f64(), error.chain()
        );
        tokio::select! {
            () = options.environment.clock.sleep(wait) => {}
            () = drain.cancelled() => return Err(Failure::Stopped),
        }
    }
}

fn refused(component: &SmolStr, error: &Error) -> Failure {
    let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
    let message = format!("{}{help}", error.chain());
    match error.class() {
        ErrorClass::Fenced => Failure::Fenced(message),
        ErrorClass::State => Failure::State(format!("{component}: {message}")),
        _ => Failure::Config { component: component.clone(), message },
    }
}

/// A destination that is behind what the checkpoint remembers of it was restored from a backup: going on would leave
/// a hole in it, so a person has to choose.
fn refuse_restored_backup(
    (pipeline, sink): (&str, &SmolStr),
    (remembered, found): (&[Position], &[Position]),
    state: &State,
) -> Result<(), Failure> {
    for before in remembered {
        let floor = floor_epoch(state, &before.source, &before.partition);
        let now = found.iter().find(|now| now.source == before.source && now.partition == before.partition);
        let seq = now.map_or(0, |now| now.safe_seq);
        if before.epoch < floor || seq >= before.safe_seq {
            continue;
        }
        let place = format!("{pipeline} {}/{}", before.source, before.partition);
        let command = match now.and_then(|now| now.safe_cursor.as_ref()) {
            Some(cursor) => format!("sluicebox cursor set {place} {}", text(cursor)),
            None => format!("sluicebox cursor reset {place}"),
        };
        return Err(Failure::State(format!(
            "{sink} holds {}/{} up to position {seq}, but had committed up to {}: it was restored from a backup or \
             replaced. Either put the newer data back, or replay what it lacks into every sink: \
             `{command}`, then start again",
            before.source, before.partition, before.safe_seq
        )));
    }
    Ok(())
}

/// A destination knows where it stands, but what the transforms remembered there lay in a state that is gone: going on
/// would count or let through again what they knew, so a person has to choose. The partitions are noted as waiting, so
/// that the choice can be made.
///
/// # Errors
/// There are such partitions.
pub(crate) async fn refuse_lost_memory(
    pipeline: &str,
    lost: Vec<PartitionRecord>,
    (store, now): (&dyn CheckpointStore, Timestamp),
) -> Result<(), Failure> {
    let Some(PartitionRecord { source, partition, cursor, .. }) = lost.first() else { return Ok(()) };
    let cursor = cursor.as_ref().map(text).unwrap_or_default();
    let others = match lost.len() - 1 {
        0 => String::new(),
        count => format!(" (and so for {count} more)"),
    };
    let message = format!(
        "a sink holds {source}/{partition} up to {cursor}{others}, but the state of this pipeline, with everything that \
         its transforms remember, is not there or older. Either put the newest state back, or let the transforms remember anew from \
         there: `sluicebox cursor set {pipeline} {source}/{partition} {cursor}`, then start again"
    );
    let waiting = |record| PartitionRecord {
        paused: Some(SmolStr::new_static(MEMORY_LOST)),
        committed_at: now,
        ..record
    };
    let commit = Commit { partitions: lost.into_iter().map(waiting).collect(), ..Commit::default() };
    store.commit(commit).await.map_err(|error| Failure::State(error.chain()))?;
    Err(Failure::State(message))
}

fn text(cursor: &Bytes) -> String {
    Cursor::new(cursor.clone()).to_text()
}

fn floor_epoch(state: &State, source: &str, partition: &str) -> u64 {
    let record =
        state.partitions.iter().find(|record| record.source == source && record.partition == partition);
    record.map_or(0, |record| record.floor_epoch)
}

/// An epoch above every one that was ever used, here or in a destination.
pub(crate) fn epoch(state: &State, sinks: &[OpenedSink]) -> u64 {
    let opened = sinks.iter().filter_map(|sink| match &sink.writer {
        Writer::Transactional { opened, .. } => Some(opened.epoch),
        Writer::Plain(_) => None,
    });
    opened.max().unwrap_or(0).max(state.epoch + 1)
}

/// Writes the position of every partition that a sink does not hold yet, so that a sink that is new to an old
/// pipeline starts at the safe cursor and a later loss of the destination is noticed.
///
/// # Errors
/// The destination refuses.
pub(crate) async fn write_missing_positions(
    sink: &mut OpenedSink,
    index: usize,
    origins: &Origins,
    names: &[PartitionName],
) -> Result<Vec<Position>, Failure> {
    let Writer::Transactional { sink: writer, opened, own_positions: true } = &mut sink.writer else {
        return Ok(Vec::new());
    };
    let position = |start: PartitionRecord| Position {
        source: start.source,
        partition: start.partition,
        epoch: opened.epoch,
        safe_seq: start.safe_seq,
        safe_cursor: start.cursor,
        ahead: Vec::new(),
    };
    let starts = names.iter().map(|name| (name, origins.start_of(name)));
    let missing: Vec<Position> = starts
        .filter(|(name, start)| {
            start.safe_seq > 0 && !origins.held_of(name, start.floor_epoch).contains_key(&index)
        })
        .map(|(_, start)| position(start))
        .collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let window = Window { events: &[], dead_letters: &[], positions: &missing };
    match writer.commit(&window).await {
        Ok(_) => Ok(missing),
        Err(error) => Err(refused(&sink.member.name, &error)),
    }
}

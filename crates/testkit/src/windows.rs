//! What a transactional sink is given in a test: a shard, positions, windows.

use bytes::Bytes;
use sluicebox_core::{Committed, Event, Position, Result, Shard, TransactionalSink, Window};

/// The sink `warehouse` of the pipeline `orders`.
pub fn shard(epoch: u64) -> Shard {
    Shard { pipeline: "orders".into(), sink: "warehouse".into(), epoch }
}

/// A position in the feed of [`crate::event`].
pub fn position(safe_seq: u64, ahead: &[&str]) -> Position {
    Position {
        source: "feed".into(),
        partition: "a".into(),
        epoch: 1,
        safe_seq,
        safe_cursor: Some(Bytes::from_static(b"\x00\xffcursor")),
        ahead: ahead.iter().map(|id| (*id).into()).collect(),
    }
}

/// Commits events and the position after them, once.
///
/// # Errors
/// What the sink says.
pub async fn commit(sink: &mut dyn TransactionalSink, events: &[Event], safe_seq: u64) -> Result<Committed> {
    let positions = [position(safe_seq, &[])];
    sink.commit(&Window { events, dead_letters: &[], positions: &positions }).await
}

//! A consuming connection, shared by the source and the one who confirms for it.
//!
//! A delivery tag means something only on the channel that brought it. So every session has a name that no other has,
//! in this process or an earlier one, a cursor is `<name>:<tag>`, and a cursor of another session acknowledges nothing:
//! the broker redelivers what it covers. Invariant: nothing is acknowledged but by a cursor of the live session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::BasicAckOptions;
use sluicebox_core::{Committer, Cursor, Result};

use super::identity::Identities;
use crate::link::Link;

/// What source and committer both hold.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    live: Option<Live>,
    identities: Identities,
}

/// The session whose cursors count.
struct Live {
    name: String,
    channel: Channel,
    /// Kept as long as somebody may still acknowledge.
    link: Link,
    /// The highest tag that was acknowledged.
    acknowledged: u64,
}

impl Shared {
    /// A new session begins; what the last one brought and nobody acknowledged comes again.
    pub(crate) fn begin(&self, name: String, channel: Channel, link: Link) {
        let mut state = self.lock();
        state.identities.start_over();
        state.live = Some(Live { name, channel, link, acknowledged: 0 });
    }

    /// The session is over: the broker takes back what is not acknowledged.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if let Some(live) = state.live.take() {
            live.link.cut();
        }
        state.identities.start_over();
    }

    /// Whether the session of this name still stands.
    pub(crate) fn is_live(&self, name: &str) -> bool {
        let state = self.lock();
        state.live.as_ref().is_some_and(|live| {
            live.name == name && live.link.is_connected() && live.channel.status().connected()
        })
    }

    /// Works with the ids that were given out.
    pub(crate) fn with_identities<T>(&self, work: impl FnOnce(&mut Identities) -> T) -> T {
        work(&mut self.lock().identities)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel to acknowledge on, if the cursor is one of the live session and says something new.
    fn channel_for(&self, cursor: &Cursor) -> Option<(Channel, u64)> {
        let (name, tag) = parts(cursor)?;
        let state = self.lock();
        let live = state.live.as_ref().filter(|live| live.name == name && live.acknowledged < tag)?;
        Some((live.channel.clone(), tag))
    }

    fn was_acknowledged(&self, cursor: &Cursor) {
        let Some((name, tag)) = parts(cursor) else { return };
        let mut state = self.lock();
        if let Some(live) = state.live.as_mut().filter(|live| live.name == name) {
            live.acknowledged = live.acknowledged.max(tag);
            state.identities.acknowledged(tag);
        }
    }
}

/// The cursor after a delivery.
pub(crate) fn cursor(name: &str, tag: u64) -> Cursor {
    Cursor::from(format!("{name}:{tag}"))
}

fn parts(cursor: &Cursor) -> Option<(&str, u64)> {
    let (name, tag) = cursor.as_str()?.rsplit_once(':')?;
    // Tag 0 would acknowledge everything that is on its way.
    Some((name, tag.parse().ok().filter(|tag| *tag > 0)?))
}

/// Acknowledges what is durable; outlives the source.
pub(crate) struct Acknowledger(pub(crate) Shared);

#[async_trait]
impl Committer for Acknowledger {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        let Some((channel, tag)) = self.0.channel_for(cursor) else { return Ok(()) };
        match channel.basic_ack(tag, BasicAckOptions { multiple: true }).await {
            Ok(()) => self.0.was_acknowledged(cursor),
            // The session is over, and its cursors with it: the broker redelivers.
            Err(error) => tracing::debug!(%error, "an acknowledgement went down with its connection"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cursors_of_ours_are_read() {
        assert_eq!(parts(&cursor("a-b", 7)), Some(("a-b", 7)));
        for text in ["", "7", "a:", "a:0", "a:-1", "a:x"] {
            assert_eq!(parts(&Cursor::from(text)), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_cursor_of_no_live_session_acknowledges_nothing() {
        let mut acknowledger = Acknowledger(Shared::default());
        acknowledger.commit(&cursor("gone", 7)).await.unwrap();
        assert!(!acknowledger.0.is_live("gone"));
    }
}

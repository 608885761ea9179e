//! The bell: a delivery that only says "look now". The feed is the ledger.
//!
//! Invariant: a ring is kept until somebody hears it, and many rings in a row are one; nothing depends on a delivery.

use std::collections::{HashSet, VecDeque};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Delivery, Receive, Taken};

/// Deliveries that are remembered so that a replay does not ring. More than come within the ten minutes in which a
/// signature is good; what rings beyond them costs a poll.
const MOST_REMEMBERED: usize = 10_000;

/// Rings when a delivery comes that is not a replay.
pub struct Bell {
    rung: watch::Sender<u64>,
    replays: Mutex<Replays>,
}

#[derive(Default)]
struct Replays {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Default for Bell {
    fn default() -> Self {
        Self { rung: watch::Sender::new(0), replays: Mutex::default() }
    }
}

impl Bell {
    /// An ear: `changed()` waits for a ring since it last heard one, and is cancel-safe; `borrow_and_update()` takes
    /// what has rung so far as heard.
    pub fn ear(&self) -> watch::Receiver<u64> {
        self.rung.subscribe()
    }
}

impl Replays {
    /// Whether this content was seen lately; it is from now on.
    fn knows(&mut self, content: [u8; 32]) -> bool {
        if !self.known.insert(content) {
            return true;
        }
        self.order.push_back(content);
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[async_trait]
impl Receive for Bell {
    async fn receive(&self, delivery: Delivery) -> Taken {
        if delivery.content.is_some_and(|content| self.replays.lock().knows(content)) {
            return Taken::Known;
        }
        self.rung.send_modify(|rings| *rings += 1);
        Taken::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_core::Timestamp;

    fn delivery(content: u8) -> Delivery {
        Delivery {
            id: "d".into(),
            event_type: "e".into(),
            time: None,
            received: Timestamp::from_millis(0),
            body: bytes::Bytes::new(),
            content: Some([content; 32]),
        }
    }

    #[tokio::test]
    async fn a_ring_waits_to_be_heard_and_a_replay_does_not_ring() {
        let bell = Bell::default();
        let mut ear = bell.ear();
        assert_eq!(bell.receive(delivery(1)).await, Taken::Kept);
        assert_eq!(bell.receive(delivery(2)).await, Taken::Kept);
        ear.changed().await.unwrap();
        assert!(!ear.has_changed().unwrap(), "two rings are one");
        assert_eq!(bell.receive(delivery(1)).await, Taken::Known);
        assert!(!ear.has_changed().unwrap());
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut replays = Replays::default();
        let content = |number: usize| {
            let mut content = [0; 32];
            content[..8].copy_from_slice(&number.to_be_bytes());
            content
        };
        assert!((0..=MOST_REMEMBERED).all(|number| !replays.knows(content(number))));
        assert_eq!((replays.known.len(), replays.order.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
        assert!(replays.knows(content(1)) && !replays.knows(content(0)));
    }
}

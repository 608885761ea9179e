//! The duty to account for one event at one sink: move-only, resolved exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a token was resolved; the tally of verdicts is `served = delivered + filtered + dead-lettered + absorbed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Durable in the sink.
    Delivered,
    /// Meant to go no further: a condition, a duplicate, a rule that dropped it.
    Filtered,
    /// Durable in the dead letters.
    DeadLettered,
    /// Part of durable state (a window, a dedupe key).
    Absorbed,
}

/// What a partition wants to hear about its slots. Called from any task; must not block.
pub trait SlotListener: Send + Sync {
    /// Every token of the slot is resolved.
    fn closed(&self, slot: u64);
    /// A token of the slot was dropped without a verdict: the slot can never close.
    fn lost(&self, slot: u64);
    /// The partition's index within its pipeline.
    fn index(&self) -> usize;
}

/// One page in flight: how many (event, sink) pairs are still open.
struct Slot {
    number: u64,
    open: AtomicU32,
    listener: Arc<dyn SlotListener>,
}

impl Slot {
    fn settle(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.listener.closed(self.number);
        }
    }
}

/// The duty to account for one event. It cannot be copied; [`Token::resolve`] consumes it.
///
/// Dropping one without a verdict (a panic, a bug) reports the slot as lost, so that the partition starts again from
/// its safe cursor instead of counting the event as delivered.
#[must_use = "a token that is dropped without a verdict loses its slot"]
pub struct Token {
    slot: Option<Arc<Slot>>,
}

impl Token {
    /// `count` tokens for a page that was opened as slot `number`; a page of no events closes at once.
    pub fn for_page(number: u64, count: u32, listener: Arc<dyn SlotListener>) -> Vec<Self> {
        if count == 0 {
            listener.closed(number);
            return Vec::new();
        }
        let slot = Arc::new(Slot { number, open: AtomicU32::new(count), listener });
        (0..count).map(|_| Self { slot: Some(Arc::clone(&slot)) }).collect()
    }

    /// A second token for the same event: fan-out to k sinks splits k-1 times, a 1→N split N-1 times.
    pub fn split(&self) -> Self {
        if let Some(slot) = &self.slot {
            slot.open.fetch_add(1, Ordering::AcqRel);
        }
        Self { slot: self.slot.clone() }
    }

    /// The number of the slot that this token belongs to.
    pub fn slot(&self) -> u64 {
        self.slot.as_ref().map_or(0, |slot| slot.number)
    }

    /// The index of the partition that this token belongs to.
    pub fn partition(&self) -> usize {
        self.slot.as_ref().map_or(0, |slot| slot.listener.index())
    }

    /// How many tokens of this slot are open, this one included. Whoever holds that many of them holds all: nobody
    /// else can split or resolve one, so closing the slot is then in the holder's hands.
    pub fn open_in_slot(&self) -> u32 {
        self.slot.as_ref().map_or(0, |slot| slot.open.load(Ordering::Acquire))
    }

    /// Settles the duty. The caller has made sure that the verdict is durable.
    pub fn resolve(mut self, _verdict: Verdict) {
        if let Some(slot) = self.slot.take() {
            slot.settle();
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.listener.lost(slot.number);
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(slot {})", self.slot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(&'static str, u64)>>);

    impl SlotListener for Heard {
        fn closed(&self, slot: u64) {
            self.0.lock().unwrap().push(("closed", slot));
        }
        fn lost(&self, slot: u64) {
            self.0.lock().unwrap().push(("lost", slot));
        }
        fn index(&self) -> usize {
            3
        }
    }

    fn page(count: u32) -> (Vec<Token>, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        (Token::for_page(7, count, Arc::clone(&heard) as Arc<dyn SlotListener>), heard)
    }

    #[test]
    fn a_slot_closes_when_its_last_token_is_resolved() {
        let (mut tokens, heard) = page(2);
        let twin = tokens[0].split();
        for token in tokens.drain(..) {
            token.resolve(Verdict::Delivered);
        }
        assert!(heard.0.lock().unwrap().is_empty());
        twin.resolve(Verdict::Filtered);
        assert_eq!(*heard.0.lock().unwrap(), [("closed", 7)]);
    }

    #[test]
    fn an_empty_page_closes_at_once() {
        let (tokens, heard) = page(0);
        assert!(tokens.is_empty());
        assert_eq!(*heard.0.lock().unwrap(), [("closed", 7)]);
    }

    #[test]
    fn a_dropped_token_is_lost_and_its_slot_never_closes() {
        let (mut tokens, heard) = page(2);
        assert_eq!(tokens[0].partition(), 3);
        drop(tokens.pop());
        tokens.pop().unwrap().resolve(Verdict::Delivered);
        assert_eq!(*heard.0.lock().unwrap(), [("lost", 7)]);
    }
}

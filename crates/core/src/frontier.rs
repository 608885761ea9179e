//! The ordered frontier of one partition: which cursor is safe to save.
//!
//! Pure bookkeeping: pages open in feed order, close in any order, and the safe cursor is the one after the longest
//! closed prefix. Invariant: the safe cursor never passes a page with an open token.

use std::collections::VecDeque;

use crate::Cursor;

/// The position that may be saved: everything up to it is settled in every sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safe {
    /// +1 for every page that was passed; never reused, kept across restarts.
    pub seq: u64,
    /// The cursor after the last passed page; `None` while the source has none.
    pub cursor: Option<Cursor>,
    /// The highest slot that was passed; slots beyond it are in flight.
    pub slot: u64,
}

struct OpenSlot {
    number: u64,
    cursor_after: Option<Cursor>,
    closed: bool,
}

/// Slots of one partition between the safe cursor and the newest page.
pub struct Frontier {
    safe: Safe,
    next_slot: u64,
    slots: VecDeque<OpenSlot>,
}

impl Frontier {
    /// A frontier that stands at a saved position (or at the very beginning).
    pub fn new(seq: u64, cursor: Option<Cursor>) -> Self {
        Self { safe: Safe { seq, cursor, slot: 0 }, next_slot: 1, slots: VecDeque::new() }
    }

    /// Opens a slot for the next page of the feed and returns its number; numbers grow by one and are never reused.
    pub fn open(&mut self, cursor_after: Option<Cursor>) -> u64 {
        let number = self.next_slot;
        self.next_slot += 1;
        self.slots.push_back(OpenSlot { number, cursor_after, closed: false });
        number
    }

    /// Marks a slot as closed. Returns the new safe position if the prefix grew.
    pub fn close(&mut self, number: u64) -> Option<Safe> {
        let at = self.slots.binary_search_by_key(&number, |slot| slot.number).ok()?;
        self.slots[at].closed = true;
        let mut moved = false;
        while self.slots.front().is_some_and(|slot| slot.closed) {
            let Some(slot) = self.slots.pop_front() else { break };
            self.safe = Safe { seq: self.safe.seq + 1, cursor: slot.cursor_after, slot: slot.number };
            moved = true;
        }
        moved.then(|| self.safe.clone())
    }

    /// The safe position as it stands.
    pub fn safe(&self) -> &Safe {
        &self.safe
    }

    /// Where the safe position would stand if the slots that `closes` names were closed too.
    ///
    /// A transactional sink writes this beside its data: when it holds the last open tokens of a page, the cursor
    /// after that page is committed together with the page's events.
    pub fn preview(&self, closes: impl Fn(u64) -> bool) -> Safe {
        let passed = self.slots.iter().take_while(|slot| slot.closed || closes(slot.number));
        passed.fold(self.safe.clone(), |safe, slot| Safe {
            seq: safe.seq + 1,
            cursor: slot.cursor_after.clone(),
            slot: slot.number,
        })
    }

    /// The sequence number of the safe position that will pass a slot; `None` if it was passed or forgotten.
    pub fn seq_of(&self, number: u64) -> Option<u64> {
        let at = self.slots.binary_search_by_key(&number, |slot| slot.number).ok()?;
        Some(self.safe.seq + 1 + at as u64)
    }

    /// The newest slot that was opened; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.next_slot - 1
    }

    /// Pages in flight.
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Forgets every page in flight and stands at the safe cursor again, as after a restart; slot numbers go on.
    pub fn rewind(&mut self) -> &Safe {
        self.slots.clear();
        &self.safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "cursors are optional wherever these tests put one")]
    fn cursor(text: &str) -> Option<Cursor> {
        Some(Cursor::from(text))
    }

    #[test]
    fn the_safe_cursor_waits_for_the_oldest_page() {
        let mut frontier = Frontier::new(5, cursor("0"));
        let (one, two, three) =
            (frontier.open(cursor("1")), frontier.open(cursor("2")), frontier.open(cursor("3")));
        assert_eq!(frontier.close(two), None);
        assert_eq!(frontier.close(three), None);
        assert_eq!(frontier.safe().cursor, cursor("0"));
        assert_eq!([one, two, three, 9].map(|slot| frontier.seq_of(slot)), [Some(6), Some(7), Some(8), None]);
        assert_eq!(frontier.close(one), Some(Safe { seq: 8, cursor: cursor("3"), slot: three }));
        assert_eq!((frontier.in_flight(), frontier.newest(), frontier.seq_of(three)), (0, three, None));
    }

    #[test]
    fn a_preview_shows_the_cursor_that_a_commit_would_make_safe() {
        let mut frontier = Frontier::new(0, None);
        let slots: Vec<_> = ["1", "2", "3"].map(|text| frontier.open(cursor(text))).into();
        frontier.close(slots[1]);
        assert_eq!(frontier.preview(|slot| slot == slots[2]).cursor, None);
        assert_eq!(
            frontier.preview(|slot| slot == slots[0]),
            Safe { seq: 2, cursor: cursor("2"), slot: slots[1] }
        );
        assert_eq!(frontier.safe().seq, 0, "a preview changes nothing");
    }

    #[test]
    fn closing_twice_or_after_a_rewind_changes_nothing() {
        let mut frontier = Frontier::new(0, None);
        let one = frontier.open(cursor("1"));
        frontier.close(one);
        assert_eq!(frontier.close(one), None);
        let two = frontier.open(cursor("2"));
        assert_eq!(frontier.rewind().cursor, cursor("1"));
        assert_eq!((frontier.close(two), frontier.seq_of(two)), (None, None));
        let three = frontier.open(cursor("2"));
        assert!(three > two, "slot numbers are never reused");
        assert_eq!(frontier.close(three).unwrap().seq, 2);
    }
}

//! Where a reader of job changes stands: a time, and what was told of that time already.
//!
//! Source: the OpenTrain contract, section 8. Invariant: the time never goes backwards, and what was told at or after it
//! is remembered, because the API tells that again with the next answer.

use std::collections::BTreeSet;
use std::fmt;

use sluicebox_core::Timestamp;

/// A time and the changes known from it on. Written as the time alone, or with their fingerprints behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The bound to ask with; inclusive.
    pub(super) since: Timestamp,
    seen: BTreeSet<u64>,
}

impl Position {
    /// Most changes that are remembered. A time has more of them only where the API's own time stands still.
    const MOST: usize = 10_000;

    /// Reads what `Display` writes, and any RFC 3339 time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (time, seen) = text.split_once(' ').unwrap_or((text, ""));
        let hashes = seen.split(',').filter(|hash| !hash.is_empty());
        let seen = hashes.map(|hash| u64::from_str_radix(hash, 16)).collect::<Result<_, _>>().ok()?;
        Some(Self { since: Timestamp::parse(time)?, seen })
    }

    /// Whether a change was told before.
    pub(super) fn knows(&self, fingerprint: u64) -> bool {
        self.seen.contains(&fingerprint)
    }

    /// The position after an answer up to `until` that told these changes.
    pub(super) fn after(&self, until: Timestamp, told: &[(Option<Timestamp>, u64)]) -> Self {
        let since = until.max(self.since);
        // A change without a time may come again at any time.
        let again = told.iter().filter(|(at, _)| at.is_none_or(|at| at >= since)).map(|(_, hash)| *hash);
        let mut seen: BTreeSet<u64> = again.collect();
        if since == self.since && seen.len() + self.seen.len() <= Self::MOST {
            seen.extend(&self.seen);
        }
        Self { since, seen }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.since)?;
        for (index, hash) in self.seen.iter().enumerate() {
            write!(f, "{}{hash:016x}", if index == 0 { " " } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn told(changes: &[(i64, u64)]) -> Vec<(Option<Timestamp>, u64)> {
        changes.iter().map(|(seconds, hash)| (Some(at(*seconds)), *hash)).collect()
    }

    #[test]
    fn what_lies_at_the_bound_is_remembered_and_what_lies_before_is_not() {
        let first = Position::default().after(at(20), &told(&[(5, 1), (20, 2), (20, 3)]));
        assert_eq!(
            (first.since, first.knows(1), first.knows(2), first.knows(3)),
            (at(20), false, true, true)
        );
        let second = first.after(at(30), &told(&[(20, 2), (20, 3), (25, 4)]));
        assert_eq!(second, Position { since: at(30), seen: BTreeSet::new() });
    }

    #[test]
    fn an_older_answer_moves_nothing_back_and_forgets_nothing() {
        let position = Position::default().after(at(20), &told(&[(20, 2)]));
        let stale = position.after(at(10), &told(&[(22, 7)]));
        assert_eq!((stale.since, stale.knows(2), stale.knows(7)), (at(20), true, true));
        let untimed = stale.after(at(30), &[(None, 9)]);
        assert!(untimed.knows(9) && !untimed.knows(2));
    }

    #[test]
    fn a_time_that_stands_still_does_not_gather_changes_without_end() {
        let mut position = Position::default();
        for round in 0..10 {
            let changes: Vec<_> = (0..4000).map(|index| (Some(at(0)), round * 4000 + index)).collect();
            position = position.after(at(0), &changes);
        }
        assert!(position.seen.len() <= Position::MOST, "{}", position.seen.len());
        assert!(position.knows(39_999));
    }

    #[test]
    fn it_survives_being_written() {
        let position = Position::default().after(at(20), &told(&[(20, 2), (21, u64::MAX)]));
        let text = position.to_string();
        assert_eq!(text, "1970-01-01T00:00:20.000Z 0000000000000002,ffffffffffffffff");
        assert_eq!(Position::parse(&text).unwrap(), position);
        let plain = Position::parse("2026-06-12T02:00:00+02:00").unwrap();
        assert_eq!(plain.to_string(), "2026-06-12T00:00:00.000Z");
        for text in ["", "1041", "2026-06-12", "2026-06-12T00:00:00Z x", "2026-06-12T00:00:00"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}

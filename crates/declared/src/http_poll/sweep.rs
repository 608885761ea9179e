//! Sweeps over a feed whose cursor is a time of its records, each beginning a little before the last one ended.
//!
//! For records that become visible after later ones: a transaction that was slow to commit, a clock that was behind.
//! Invariant: the saved cursor only ever moves forward; where a sweep stands is forgotten with the process.

use std::borrow::Cow;
use std::time::Duration;

use sluicebox_core::Timestamp;

use super::progress::Progress;

/// Where the sweep stands.
#[derive(Debug)]
pub(super) struct Sweep {
    overlap: Duration,
    /// The position within the sweep; `None`: a new one begins.
    at: Option<String>,
}

impl Sweep {
    pub(super) fn new(overlap: Duration) -> Self {
        Self { overlap, at: None }
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.at = None;
    }

    /// Whether a text can be a cursor.
    pub(super) fn is_time(text: &str) -> bool {
        Timestamp::parse(text).is_some()
    }

    /// What is sent, `cursor` being the saved one.
    pub(super) fn sent<'a>(&'a self, cursor: &'a str) -> Cow<'a, str> {
        match (&self.at, Timestamp::parse(cursor)) {
            (Some(at), _) => Cow::Borrowed(at),
            (None, Some(time)) => {
                let overlap = i64::try_from(self.overlap.as_millis()).unwrap_or(i64::MAX);
                let begin = time.as_millis().saturating_sub(overlap);
                Cow::Owned(Timestamp::from_millis(begin).to_string())
            }
            (None, None) => Cow::Borrowed(cursor),
        }
    }

    /// After a page that was asked for with `sent` and ends at `next`.
    pub(super) fn advance(
        &mut self,
        cursor: &mut Option<String>,
        sent: Option<&str>,
        next: Option<String>,
        more: bool,
    ) -> Progress {
        self.at = None;
        let Some(next) = next else { return Progress::Still };
        let end = Timestamp::parse(&next);
        let is_after = |other: Option<&str>| other.is_none_or(|other| end > Timestamp::parse(other));
        let moved = is_after(sent);
        if is_after(cursor.as_deref()) {
            *cursor = Some(next.clone());
        }
        if more && moved {
            self.at = Some(next);
            Progress::Forward
        } else {
            Progress::Still
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_begins_early_and_never_takes_the_cursor_back() {
        let mut sweep = Sweep::new(Duration::from_secs(600));
        let mut cursor = Some("2026-06-12T10:00:00Z".to_owned());
        assert_eq!(sweep.sent("2026-06-12T10:00:00Z"), "2026-06-12T09:50:00.000Z");
        let mut page = |sent: &str, next: &str| {
            let progress = sweep.advance(&mut cursor, Some(sent), Some(next.to_owned()), true);
            (progress, cursor.clone().unwrap(), sweep.sent(cursor.as_deref().unwrap()).into_owned())
        };
        let (begin, early, late) =
            ("2026-06-12T09:50:00.000Z", "2026-06-12T09:55:00Z", "2026-06-12T10:05:00+00:00");
        let kept = "2026-06-12T10:00:00Z".to_owned();
        assert_eq!(page(begin, early), (Progress::Forward, kept, early.to_owned()));
        assert_eq!(page(early, late), (Progress::Forward, late.to_owned(), late.to_owned()));
        assert_eq!(
            page(late, late),
            (Progress::Still, late.to_owned(), "2026-06-12T09:55:00.000Z".to_owned())
        );
    }

    #[test]
    fn an_empty_page_ends_a_sweep() {
        let mut sweep = Sweep::new(Duration::from_secs(60));
        let mut cursor = None;
        let first = Some("2026-06-12T10:00:00Z".to_owned());
        assert_eq!(sweep.advance(&mut cursor, None, first.clone(), true), Progress::Forward);
        assert_eq!(sweep.advance(&mut cursor, first.as_deref(), None, false), Progress::Still);
        assert_eq!((cursor, sweep.sent("x")), (first, Cow::Borrowed("x")));
    }
}

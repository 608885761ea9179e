//! Whether a page moves the cursor, stays, or would have us run in circles.
//!
//! Invariant: a cursor is never replaced by nothing, and one that was left behind not long ago is not gone back to.

use std::cmp::Ordering;

use sluicebox_polling::quiet::Trail;

use super::cursor::CursorKind;
use super::decimal;

/// What a page does to the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It moves.
    Forward,
    /// It stays, and that is right.
    Still,
    /// The page contradicts itself or the pages before; the text continues "the API …".
    Fault(&'static str),
}

/// What is known of a page.
pub(super) struct Facts<'a> {
    pub(super) sent: Option<&'a str>,
    pub(super) next: Option<&'a str>,
    /// Whether it has items, or promises more.
    pub(super) brings: bool,
    /// Whether it promises more in words or by being full.
    pub(super) promises: bool,
    pub(super) kind: CursorKind,
    /// Whether the boundary comes again with every poll.
    pub(super) repeats: bool,
}

impl Facts<'_> {
    /// Judges the page; `trail` holds the cursors that were left behind.
    pub(super) fn judge(&self, trail: &Trail) -> Progress {
        let Some(next) = self.next else {
            return if self.brings && !self.repeats {
                Progress::Fault("sent items or promised more without saying where they end")
            } else {
                Progress::Still
            };
        };
        let Some(sent) = self.sent else { return Progress::Forward };
        let stays = match self.kind {
            CursorKind::Number => match decimal::compare(next, sent) {
                Ordering::Less => return Progress::Fault("moved the cursor backwards"),
                Ordering::Equal => true,
                Ordering::Greater => return Progress::Forward,
            },
            CursorKind::Opaque | CursorKind::Url => next == sent,
        };
        if stays && (self.promises || self.brings && !self.repeats) {
            Progress::Fault("sent items or promised more without moving the cursor")
        } else if stays {
            Progress::Still
        } else if trail.holds(next) {
            Progress::Fault("went back to a cursor that was left behind")
        } else {
            Progress::Forward
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sent: Option<&str>, next: Option<&str>, brings: bool) -> Progress {
        let mut trail = Trail::default();
        trail.leave(Some("old".to_owned()));
        Facts { sent, next, brings, promises: false, kind: CursorKind::Opaque, repeats: false }.judge(&trail)
    }

    #[test]
    fn texts_are_only_compared_for_being_the_same() {
        assert_eq!(judged(None, None, false), Progress::Still);
        assert_eq!(judged(Some("a"), None, false), Progress::Still);
        assert_eq!(judged(Some("a"), Some("a"), false), Progress::Still);
        assert_eq!(judged(None, Some("a"), true), Progress::Forward);
        assert_eq!(judged(Some("b"), Some("a"), true), Progress::Forward);
        assert_eq!(judged(Some("007"), Some("7"), false), Progress::Forward);
        for (sent, next) in
            [(None, None), (Some("a"), None), (Some("a"), Some("a")), (Some("a"), Some("old"))]
        {
            assert!(matches!(judged(sent, next, true), Progress::Fault(_)), "{sent:?} {next:?}");
        }
    }

    #[test]
    fn numbers_only_grow() {
        let judged = |sent, next| {
            let facts = Facts {
                sent: Some(sent),
                next: Some(next),
                brings: true,
                promises: false,
                kind: CursorKind::Number,
                repeats: false,
            };
            facts.judge(&Trail::default())
        };
        assert_eq!(judged("999", "1000"), Progress::Forward);
        for (sent, next) in [("1000", "999"), ("7", "007")] {
            assert!(matches!(judged(sent, next), Progress::Fault(_)), "{sent} {next}");
        }
    }

    #[test]
    fn a_boundary_that_comes_again_is_no_fault() {
        let facts = Facts {
            sent: Some("a"),
            next: Some("a"),
            brings: true,
            promises: false,
            kind: CursorKind::Opaque,
            repeats: true,
        };
        assert_eq!(facts.judge(&Trail::default()), Progress::Still);
        let full = Facts { promises: true, ..facts };
        assert!(matches!(full.judge(&Trail::default()), Progress::Fault(_)));
        assert_eq!(Facts { next: None, ..facts }.judge(&Trail::default()), Progress::Still);
    }
}

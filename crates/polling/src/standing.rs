//! Where a source stands in its feed, and how that is written as a cursor.
//!
//! Invariant: the cursor is the API's own text, so that `cursor show` is readable, with two additions: `priming …` while
//! what was there before `start: now` is still being read away, and the empty text for "begun, and the feed had nothing
//! yet". Both survive a restart: the first must not emit history, the second must not swallow the first event.

use sluicebox_core::{Cursor, Error, Result};

use crate::Start;

const PRIMING: &str = "priming";

/// A place in a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The API's own cursor; `None`: none is sent.
    pub cursor: Option<String>,
    /// Whether everything is read away until the feed is empty, for `start: now`.
    pub priming: bool,
    /// Whether the start has been decided, so that `start:` no longer counts.
    pub begun: bool,
}

impl Standing {
    /// Stands at a saved cursor, else where `start` says.
    pub fn new(saved: Option<&Cursor>, start: &Start) -> Result<Self> {
        let Some(saved) = saved else {
            let cursor = match start {
                Start::Cursor(text) => Some(text.clone()).filter(|text| !text.is_empty()),
                Start::Beginning | Start::Now => None,
            };
            return Ok(Self { cursor, priming: *start == Start::Now, begun: false });
        };
        let text = saved.as_str().ok_or_else(|| {
            Error::config("the saved cursor is not text")
                .with_help("set a good one with `sluicebox cursor set`")
        })?;
        let (text, priming) = match text.strip_prefix(PRIMING) {
            Some("") => ("", true),
            Some(rest) if rest.starts_with(' ') => (&rest[1..], true),
            _ => (text, false),
        };
        Ok(Self { cursor: Some(text.to_owned()).filter(|text| !text.is_empty()), priming, begun: true })
    }

    /// The cursor to save.
    pub fn to_cursor(&self) -> Option<Cursor> {
        match (&self.cursor, self.priming) {
            (Some(cursor), true) => Some(Cursor::from(format!("{PRIMING} {cursor}"))),
            (None, true) => Some(Cursor::from(PRIMING)),
            (Some(cursor), false) => Some(Cursor::from(cursor.as_str())),
            (None, false) => self.begun.then(|| Cursor::from("")),
        }
    }

    /// The feed had nothing more: what comes from now on is new.
    pub fn primed(&mut self) {
        self.priming = false;
        self.begun = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(standing: &Standing) -> Standing {
        Standing::new(standing.to_cursor().as_ref(), &Start::Now).unwrap()
    }

    #[test]
    fn every_place_survives_a_restart() {
        for cursor in [None, Some("1041".to_owned())] {
            for priming in [true, false] {
                let standing = Standing { cursor: cursor.clone(), priming, begun: true };
                assert_eq!(reopened(&standing), standing);
            }
        }
        assert_eq!(Standing::new(None, &Start::Beginning).unwrap().to_cursor(), None);
    }

    #[test]
    fn an_empty_account_that_was_primed_does_not_prime_again() {
        let mut standing = Standing::new(None, &Start::Now).unwrap();
        assert_eq!(standing.to_cursor().unwrap().as_bytes(), b"priming");
        standing.primed();
        assert_eq!(standing.to_cursor().unwrap().as_bytes(), b"");
        assert!(!reopened(&standing).priming);
    }

    #[test]
    fn a_saved_cursor_wins_over_start() {
        let start = Start::Cursor("7".into());
        assert_eq!(Standing::new(None, &start).unwrap().cursor.unwrap(), "7");
        assert_eq!(Standing::new(Some(&Cursor::from("9")), &start).unwrap().cursor.unwrap(), "9");
        assert_eq!(
            Standing::new(Some(&Cursor::from("primingX")), &start).unwrap().cursor.unwrap(),
            "primingX"
        );
        assert!(Standing::new(Some(&Cursor::new(&b"\xff"[..])), &start).is_err());
    }
}

//! What empty pages and repeated offsets mean: rest, or a server that would have us run in circles.
//!
//! Source: the Zenzap contract, section 4. Invariant: however early a server answers with nothing, and whatever offsets
//! it gives, there is no hot loop.

use std::collections::VecDeque;
use std::time::Duration;

/// How long there has been nothing.
#[derive(Debug, Default)]
pub struct Quiet {
    since: Option<Duration>,
    early_in_a_row: u32,
}

/// What to do after an empty page.
#[derive(Debug, PartialEq, Eq)]
pub struct Rest {
    /// Whether a whole held poll, or as long a time, has passed without items.
    pub caught_up: bool,
    /// Set if the page came too early to ask again at once: how many did so before it.
    pub early_in_a_row: Option<u32>,
}

impl Quiet {
    /// An empty page came at `now` after `took`; the server was allowed to hold it for `timeout`.
    pub fn after_empty(&mut self, timeout: Duration, took: Duration, now: Duration) -> Rest {
        let since = *self.since.get_or_insert(now.saturating_sub(took));
        let held =
            !timeout.is_zero() && took >= timeout.saturating_sub(Duration::from_secs(1)).max(timeout / 2);
        if held {
            self.early_in_a_row = 0;
            return Rest { caught_up: true, early_in_a_row: None };
        }
        let step = self.early_in_a_row;
        self.early_in_a_row = step.saturating_add(1);
        Rest { caught_up: now.saturating_sub(since) >= timeout, early_in_a_row: Some(step) }
    }
}

/// The offsets that were left behind last.
#[derive(Debug, Default)]
pub struct Trail(VecDeque<String>);

impl Trail {
    const LENGTH: usize = 32;

    /// Whether this offset was left behind not long ago.
    pub fn holds(&self, offset: &str) -> bool {
        self.0.iter().any(|left| left == offset)
    }

    /// Remembers an offset that was left behind.
    pub fn leave(&mut self, offset: Option<String>) {
        if self.0.len() == Self::LENGTH {
            self.0.pop_front();
        }
        self.0.extend(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_whole_held_poll_is_caught_up_and_is_followed_at_once() {
        let mut quiet = Quiet::default();
        let rest = quiet.after_empty(seconds(20), Duration::from_millis(19_500), seconds(100));
        assert_eq!(rest, Rest { caught_up: true, early_in_a_row: None });
    }

    #[test]
    fn early_pages_rest_longer_each_time_and_are_caught_up_after_the_timeout() {
        let mut quiet = Quiet::default();
        let at = |quiet: &mut Quiet, now| quiet.after_empty(seconds(5), Duration::ZERO, seconds(now));
        assert_eq!(at(&mut quiet, 10), Rest { caught_up: false, early_in_a_row: Some(0) });
        assert_eq!(at(&mut quiet, 11), Rest { caught_up: false, early_in_a_row: Some(1) });
        assert_eq!(at(&mut quiet, 15), Rest { caught_up: true, early_in_a_row: Some(2) });
        quiet.after_empty(seconds(5), seconds(5), seconds(20));
        assert_eq!(at(&mut quiet, 21).early_in_a_row, Some(0));
    }

    #[test]
    fn without_a_timeout_any_empty_page_is_caught_up_and_followed_by_a_rest() {
        for timeout in [Duration::ZERO, seconds(1)] {
            let rest = Quiet::default().after_empty(timeout, Duration::ZERO, seconds(9));
            assert_eq!(rest, Rest { caught_up: timeout.is_zero(), early_in_a_row: Some(0) });
        }
    }

    #[test]
    fn the_trail_is_bounded() {
        let mut trail = Trail::default();
        (0..40).for_each(|number| trail.leave(Some(number.to_string())));
        trail.leave(None);
        assert!(trail.holds("39") && !trail.holds("0") && trail.0.len() <= 32);
    }
}

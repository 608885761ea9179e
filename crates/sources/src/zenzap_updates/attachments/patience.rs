//! How long a file server that fails may hold the feed.
//!
//! Invariant: no file holds the feed for longer than `max_elapsed`, and a server that is down for longer costs a page one
//! round of attempts, whatever the number of its files.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How many files that were given up are remembered: a later update of a message names its files again.
const REMEMBERED: usize = 256;

/// What is known of failures that may pass.
pub(super) struct Patience {
    max_elapsed: Duration,
    /// When each file of the present page failed first, by its place.
    files: HashMap<String, Duration>,
    /// Since when nothing was answered.
    down_since: Option<Duration>,
    /// Files that were given up, the newest last: they are not waited for again.
    given_up: VecDeque<String>,
}

impl Patience {
    pub(super) fn new(max_elapsed: Duration) -> Self {
        Self { max_elapsed, files: HashMap::new(), down_since: None, given_up: VecDeque::new() }
    }

    /// Whether servers have not answered for so long that files are given up without being asked for.
    pub(super) fn is_down(&self, now: Duration) -> bool {
        self.down_since.is_some_and(|since| now.saturating_sub(since) >= self.max_elapsed)
    }

    /// A server said something about a file, be it that there is none.
    pub(super) fn answered(&mut self) {
        self.down_since = None;
    }

    /// A file failed; whether it is to be given up.
    pub(super) fn failed(&mut self, file: &str, now: Duration) -> bool {
        let is_down = self.is_down(now);
        self.down_since.get_or_insert(now);
        let since = *self.files.entry(file.to_owned()).or_insert(now);
        let is_known = self.given_up.iter().any(|known| known == file);
        let is_over = is_down || is_known || now.saturating_sub(since) >= self.max_elapsed;
        if is_over && !is_known {
            self.given_up.push_back(file.to_owned());
            if self.given_up.len() > REMEMBERED {
                self.given_up.pop_front();
            }
        }
        is_over
    }

    /// Whether a file failed before: those that did not are asked for first.
    pub(super) fn has_failed(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// The page is done with.
    pub(super) fn done(&mut self) {
        self.files.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_file_is_given_up_after_its_time_although_others_are_answered() {
        let mut patience = Patience::new(10 * SECOND);
        assert!(!patience.failed("a", SECOND));
        patience.answered();
        assert!(!patience.failed("a", 10 * SECOND) && !patience.is_down(10 * SECOND));
        assert!(patience.failed("a", 11 * SECOND));
        patience.done();
        patience.answered();
        assert!(patience.failed("a", 12 * SECOND), "it is not waited for again");
        assert!(!patience.failed("b", 12 * SECOND));
    }

    #[test]
    fn a_server_that_stays_down_is_known_beyond_a_page_until_it_answers() {
        let mut patience = Patience::new(10 * SECOND);
        patience.failed("a", SECOND);
        patience.done();
        assert!(!patience.is_down(10 * SECOND) && patience.is_down(11 * SECOND));
        assert!(patience.failed("b", 11 * SECOND), "another file is not waited for");
        patience.answered();
        assert!(!patience.is_down(99 * SECOND));
        assert!(Patience::new(Duration::ZERO).failed("b", SECOND), "no patience at all");
    }
}

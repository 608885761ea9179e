//! How long file servers that fail may hold the feed.
//!
//! Invariant: no file holds the feed for longer than `max_elapsed`. A server that is down for longer costs a page one round
//! of attempts, whatever the number of its files that were not given up before; of those that were, each is asked for once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How many files that were given up are remembered: a later update of a message names its files again. And how many
/// servers that do not answer.
const REMEMBERED: usize = 256;

/// What is known of failures that may pass.
pub(super) struct Patience {
    max_elapsed: Duration,
    /// When each file of the present page failed first, by its place.
    files: HashMap<String, Duration>,
    /// Since when a server (scheme, host and port) answered nothing, the longest silent first.
    silent: VecDeque<(String, Duration)>,
    /// Files that were given up, the newest last: they are not waited for again.
    given_up: VecDeque<String>,
}

impl Patience {
    pub(super) fn new(max_elapsed: Duration) -> Self {
        Self { max_elapsed, files: HashMap::new(), silent: VecDeque::new(), given_up: VecDeque::new() }
    }

    /// Whether a server has not answered for so long that its files are given up without being asked for.
    pub(super) fn is_down(&self, server: &str, now: Duration) -> bool {
        let silent = self.silent.iter().find(|(known, _)| known == server);
        silent.is_some_and(|(_, since)| now.saturating_sub(*since) >= self.max_elapsed)
    }

    /// A server said something about a file, be it that there is none.
    pub(super) fn answered(&mut self, server: &str) {
        self.silent.retain(|(known, _)| known != server);
    }

    /// A file failed at its server; whether it is to be given up.
    pub(super) fn failed(&mut self, file: &str, server: &str, now: Duration) -> bool {
        let is_down = self.is_down(server, now);
        if !self.silent.iter().any(|(known, _)| known == server) {
            self.silent.push_back((server.to_owned(), now));
            if self.silent.len() > REMEMBERED {
                self.silent.pop_front();
            }
        }
        let since = *self.files.entry(file.to_owned()).or_insert(now);
        let is_known = self.is_given_up(file);
        let is_over = is_down || is_known || now.saturating_sub(since) >= self.max_elapsed;
        if is_over && !is_known {
            self.given_up.push_back(file.to_owned());
            if self.given_up.len() > REMEMBERED {
                self.given_up.pop_front();
            }
        }
        is_over
    }

    /// Whether a file failed before on this page: those that did not are asked for first.
    pub(super) fn has_failed(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// Whether a file was given up, be it on a page before. That it fails again says nothing of its server.
    pub(super) fn is_given_up(&self, file: &str) -> bool {
        self.given_up.iter().any(|known| known == file)
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
        assert!(!patience.failed("a", "s", SECOND));
        patience.answered("s");
        assert!(!patience.failed("a", "s", 10 * SECOND) && !patience.is_down("s", 10 * SECOND));
        assert!(!patience.is_given_up("a"));
        assert!(patience.failed("a", "s", 11 * SECOND));
        patience.done();
        patience.answered("s");
        assert!(patience.is_given_up("a") && !patience.has_failed("a"));
        assert!(patience.failed("a", "s", 12 * SECOND), "it is not waited for again");
        assert!(!patience.failed("b", "s", 12 * SECOND));
    }

    #[test]
    fn a_server_that_stays_down_is_known_beyond_a_page_until_it_answers() {
        let mut patience = Patience::new(10 * SECOND);
        patience.failed("a", "s", SECOND);
        patience.done();
        assert!(!patience.is_down("s", 10 * SECOND) && patience.is_down("s", 11 * SECOND));
        assert!(!patience.is_down("other", 11 * SECOND));
        assert!(!patience.failed("c", "other", 11 * SECOND), "a file of another server is waited for");
        assert!(patience.failed("b", "s", 11 * SECOND), "another file is not waited for");
        patience.answered("other");
        assert!(patience.is_down("s", 11 * SECOND), "another server answered");
        patience.answered("s");
        assert!(!patience.is_down("s", 99 * SECOND));
        assert!(Patience::new(Duration::ZERO).failed("b", "s", SECOND), "no patience at all");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut patience = Patience::new(Duration::ZERO);
        for number in 0..=REMEMBERED {
            patience.failed(&format!("file {number}"), &format!("server {number}"), SECOND);
        }
        assert_eq!((patience.silent.len(), patience.given_up.len()), (REMEMBERED, REMEMBERED));
        assert!(!patience.is_down("server 0", SECOND) && patience.is_down("server 1", SECOND));
        assert!(!patience.is_given_up("file 0") && patience.is_given_up("file 1"));
    }
}

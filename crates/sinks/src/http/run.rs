//! The course of one call: which request may start next, and what became of every event at the end.
//!
//! Invariant: once a request of a key has to wait, no later request of that key is made in the same call; nothing that
//! was delivered is reported as failed.

use std::collections::BTreeSet;

use sluicebox_core::{Error, ErrorClass, Rejected, Result, Written};

use super::judge::{Reach, Verdict};
use super::plan::Planned;

/// So many failures one after the other look like an outage: the rest of the call is left for later.
const MOST_FAILURES_IN_A_ROW: usize = 3;

/// What became of a request.
enum Outcome {
    Delivered,
    /// Every event of it is to become a dead letter.
    Refused(Error),
    /// Its events are to come again.
    Later(Error),
}

/// What ends a call early.
enum Stop {
    /// Nobody gets through.
    Outage(Error),
    /// The server is unwell.
    Rest(Error),
    Pause(Error),
    /// A batch is refused: its events are to be tried in smaller ones.
    Halve(Error),
}

/// One call under way.
pub(super) struct Run<'a> {
    requests: &'a [Planned],
    outcomes: Vec<Option<Outcome>>,
    /// How many earlier requests each still waits for.
    waits: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    failures_in_a_row: usize,
    stop: Option<Stop>,
}

impl<'a> Run<'a> {
    pub(super) fn new(requests: &'a [Planned]) -> Self {
        let mut followers = vec![Vec::new(); requests.len()];
        for (number, request) in requests.iter().enumerate() {
            for earlier in &request.after {
                followers[*earlier].push(number);
            }
        }
        let waits: Vec<usize> = requests.iter().map(|request| request.after.len()).collect();
        let ready = (0..requests.len()).filter(|number| waits[*number] == 0).collect();
        let outcomes = requests.iter().map(|_| None).collect();
        Self { requests, outcomes, waits, followers, ready, failures_in_a_row: 0, stop: None }
    }

    /// The next request to make, if one may be made now.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.stop.is_some() { None } else { self.ready.pop_first() }
    }

    /// A request has ended.
    pub(super) fn settle(&mut self, number: usize, verdict: Verdict) {
        let is_batch = self.requests[number].members.len() > 1;
        match verdict {
            Verdict::Delivered => {
                self.failures_in_a_row = 0;
                self.end(number, Outcome::Delivered);
            }
            Verdict::Refused(error) if is_batch => {
                self.outcomes[number] = Some(Outcome::Later(again(&error)));
                self.stop.get_or_insert(Stop::Halve(error));
            }
            Verdict::Refused(error) => {
                self.failures_in_a_row = 0;
                self.end(number, Outcome::Refused(error));
            }
            Verdict::Later { error, reach } => {
                self.failures_in_a_row += 1;
                self.outcomes[number] = Some(Outcome::Later(again(&error)));
                if reach == Reach::Sink {
                    self.stop.get_or_insert(Stop::Outage(error));
                } else if reach == Reach::Call || self.failures_in_a_row >= MOST_FAILURES_IN_A_ROW {
                    self.stop.get_or_insert(Stop::Rest(error));
                }
            }
            Verdict::Pause(error) => {
                self.outcomes[number] = Some(Outcome::Later(again(&error)));
                self.stop = Some(Stop::Pause(error));
            }
        }
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.outcomes[number] = Some(outcome);
        for follower in std::mem::take(&mut self.followers[number]) {
            self.waits[follower] -= 1;
            if self.waits[follower] == 0 {
                self.ready.insert(follower);
            }
        }
    }

    /// What became of every event of the requests.
    ///
    /// # Errors
    /// Why nothing went through, if nothing did and the whole call is better made again.
    pub(super) fn finish(self) -> Result<Written> {
        let is_settled =
            |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Delivered | Outcome::Refused(_)));
        let nothing_settled = !self.outcomes.iter().any(is_settled);
        let because = match self.stop {
            Some(Stop::Outage(error) | Stop::Pause(error)) if nothing_settled => return Err(error),
            Some(Stop::Halve(error)) if nothing_settled && self.requests.len() == 1 => return Err(error),
            // Not as a whole: the guilty event may be the first, and would hold up all others for ever.
            Some(Stop::Outage(error) | Stop::Rest(error) | Stop::Pause(error) | Stop::Halve(error)) => error,
            None => Error::transient("an earlier event of the same key has to be delivered first"),
        };
        let mut rejected = Vec::new();
        for (request, outcome) in self.requests.iter().zip(self.outcomes) {
            let members = request.members.iter().copied();
            match outcome {
                Some(Outcome::Delivered) => {}
                Some(Outcome::Refused(error)) => {
                    rejected.extend(request.members.first().map(|index| Rejected { index: *index, error }));
                }
                Some(Outcome::Later(error)) => {
                    rejected.extend(members.map(|index| Rejected { index, error: again(&error) }));
                }
                None => rejected.extend(members.map(|index| Rejected { index, error: again(&because) })),
            }
        }
        Ok(Written::but(rejected))
    }
}

/// The error for one more event, as one that lets it come again.
fn again(error: &Error) -> Error {
    let error_again = match error.class() {
        ErrorClass::RateLimited => Error::rate_limited(error.chain(), error.retry_after()),
        _ => error.retry_after().into_iter().fold(Error::transient(error.chain()), Error::with_retry_after),
    };
    error.help().into_iter().fold(error_again, Error::with_help)
}

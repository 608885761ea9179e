//! What an answer, or its absence, means for the events of a request.
//!
//! Invariant: nothing is delivered that the other side did not accept, and what nobody can know is never guessed.

use sluicebox_core::{Error, ErrorClass};
use sluicebox_http::{Answer, UNKNOWN_OUTCOME};

use super::rules::{ErrorRule, Then, UnknownOutcome};

/// How a request ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Accepted.
    Delivered,
    /// It can never be accepted: `Permanent` or `Script`.
    Refused(Error),
    /// It may be accepted later: retryable.
    Later {
        /// Why.
        error: Error,
        /// Whom it concerns.
        reach: Reach,
    },
    /// A person has to do something first.
    Pause(Error),
}

/// How far a failure reaches that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Perhaps this request alone.
    Request,
    /// The server names a time: what is left of the call had better wait. It may still be one event that makes it so,
    /// hence other keys get their turn.
    Call,
    /// Nobody gets through: there is no connection, or the server wants rest from us.
    Sink,
}

/// Judges answers.
pub(super) struct Judge {
    pub(super) rules: Vec<ErrorRule>,
    pub(super) unknown_outcome: UnknownOutcome,
    /// Whether every event goes to the same address, so that a missing page is no event's fault.
    pub(super) url_is_fixed: bool,
}

impl Judge {
    /// What an answer means; `said` is the sentence for people.
    pub(super) fn answer(&self, answer: &Answer, said: impl FnOnce() -> String) -> Verdict {
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(answer)) {
            return by_rule(rule.then, answer, said);
        }
        let status = answer.status.as_u16();
        match status {
            200..=299 => Verdict::Delivered,
            401 | 403 => Verdict::Pause(auth_error(answer, said())),
            404 | 410 if self.url_is_fixed => Verdict::Pause(
                Error::config(said()).with_help("check `url`, and that the receiver still exists"),
            ),
            413 => Verdict::Refused(Error::permanent(said()).with_reason("too_large")),
            408 | 425 | 429 | 500.. => later(answer, said()),
            _ => Verdict::Refused(Error::permanent(said())),
        }
    }

    /// What a request without a whole answer means.
    pub(super) fn failure(&self, error: Error) -> Verdict {
        if error.reason() == UNKNOWN_OUTCOME {
            return self.unknown(error);
        }
        match error.class() {
            class if class.is_retryable() => Verdict::Later { error, reach: Reach::Sink },
            ErrorClass::Permanent | ErrorClass::Script => Verdict::Refused(error),
            _ => Verdict::Pause(error),
        }
    }

    fn unknown(&self, error: Error) -> Verdict {
        let message = "no whole answer came, and the request may have been carried out";
        let help = "find out at the receiver whether it was, by the idempotency key";
        match self.unknown_outcome {
            // One event may be what breaks the connection: it alone waits.
            UnknownOutcome::Retry => Verdict::Later { error, reach: Reach::Request },
            UnknownOutcome::DeadLetter => Verdict::Refused(
                Error::permanent(message).with_reason(UNKNOWN_OUTCOME).with_help(help).with_cause(error),
            ),
            UnknownOutcome::Pause => Verdict::Pause(
                Error::config(message).with_reason(UNKNOWN_OUTCOME).with_help(help).with_cause(error),
            ),
        }
    }
}

fn by_rule(then: Then, answer: &Answer, said: impl FnOnce() -> String) -> Verdict {
    match then {
        Then::Accept => Verdict::Delivered,
        Then::Retry => later(answer, said()),
        Then::DeadLetter => Verdict::Refused(Error::permanent(said())),
        Then::Pause if matches!(answer.status.as_u16(), 401 | 403) => {
            Verdict::Pause(auth_error(answer, said()))
        }
        Then::Pause => Verdict::Pause(
            Error::config(said()).with_help("an entry of `errors` says to pause on this answer"),
        ),
    }
}

fn later(answer: &Answer, said: String) -> Verdict {
    let after = answer.retry_after();
    let status = answer.status.as_u16();
    if status == 429 {
        return Verdict::Later { error: Error::rate_limited(said, after), reach: Reach::Sink };
    }
    let error = after.into_iter().fold(Error::transient(said), Error::with_retry_after);
    let reach = if after.is_some() { Reach::Call } else { Reach::Request };
    Verdict::Later { error, reach }
}

fn auth_error(answer: &Answer, said: String) -> Error {
    let help = match answer.clock_skew_seconds {
        Some(seconds) => format!("this machine's clock is {} s off the server's: set it", seconds.abs()),
        None => "check `auth`, and that its credentials may do this".to_owned(),
    };
    Error::auth(said).with_help(help)
}

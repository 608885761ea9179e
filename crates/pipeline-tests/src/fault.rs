//! A fault of a test as the error that a component would make of it.

use std::fmt::Display;

use sluicebox_config::{FaultWord, GivenFault};
use sluicebox_core::Error;

/// A fault that is left to happen so many times.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) fault: GivenFault,
    pub(crate) left: u32,
}

impl Pending {
    pub(crate) fn new(fault: GivenFault) -> Self {
        let left = fault.times.unwrap_or(1);
        Self { fault, left }
    }

    /// The error of one occurrence, at an end called `who`.
    pub(crate) fn strike(&mut self, who: impl Display) -> Error {
        self.left = self.left.saturating_sub(1);
        error(&self.fault, who)
    }
}

/// The error that an end called `who` would make of it.
pub(crate) fn error(fault: &GivenFault, who: impl Display) -> Error {
    let after = fault.retry_after.map(|period| period.0);
    let waiting = |error: Error| after.into_iter().fold(error, Error::with_retry_after);
    match (fault.status, fault.fault) {
        (Some(status), _) => {
            let message = format!("{who} answered {status}, as the test says");
            match status {
                401 | 403 => Error::auth(message),
                429 => Error::rate_limited(message, after),
                408 | 425 | 500.. => waiting(Error::transient(message)),
                413 => Error::permanent(message).with_reason("too_large"),
                _ => Error::permanent(message),
            }
        }
        (None, Some(FaultWord::Timeout)) => {
            waiting(Error::transient(format!("{who} did not answer, as the test says")))
        }
        (None, Some(FaultWord::Broken) | None) => {
            waiting(Error::transient(format!("the connection to {who} broke, as the test says")))
        }
    }
}

/// Whether `id` is the `meta.id` of an event, or what follows the account in it.
pub(crate) fn is_id(id: &str, meta: &sluicebox_core::Meta) -> bool {
    meta.id == id || meta.id.strip_suffix(id).is_some_and(|before| before.ends_with(':'))
}

//! Why a server cannot be had, as a sentence for the person who runs the tests.
//!
//! Nobody handles these cases one by one, so the sentence is all there is. Invariant: it says what was attempted, on
//! what, and where there is one, what to do.

use std::fmt;

/// What `up`, `down` and `status` return.
pub type Result<T> = std::result::Result<T, Error>;

/// A sentence or several lines, such as the end of a server's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Says what was attempted before what came back.
    pub(crate) fn during(attempt: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("{attempt}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

//! How one look-up ended.

use std::sync::Arc;

use bytes::Bytes;
use sluicebox_core::LookupStatus;

/// What is final for a key, and so remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The answer as JSON text.
    Answer(Bytes),
    /// There is none, and why.
    Nothing(LookupStatus, Arc<str>),
}

impl Found {
    /// There is no answer, and why: a clause.
    pub fn nothing(status: LookupStatus, reason: &str) -> Self {
        Self::Nothing(status, reason.into())
    }

    /// Whether there is an answer.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_))
    }

    /// Bytes that it keeps.
    pub fn size(&self) -> usize {
        match self {
            Self::Answer(json) => json.len(),
            Self::Nothing(_, reason) => reason.len(),
        }
    }
}

/// No answer now, and why; another event may have more luck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl From<Unavailable> for Found {
    fn from(unavailable: Unavailable) -> Self {
        Self::nothing(LookupStatus::Unavailable, &unavailable.0)
    }
}

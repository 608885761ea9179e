//! What came back: any status but a redirect (304 is none), read whole within its limits.
//!
//! Invariant: an answer says nothing about success; whoever knows the API judges the status.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sluicebox_core::Timestamp;

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; of 3xx only 304, which answers a condition of the request.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, decompressed.
    pub body: Bytes,
    /// When the last byte came.
    pub received: Timestamp,
    /// From sending to the last byte, without the wait for the budget.
    pub took: Duration,
    /// On a refused signed request: how far the server's clock is ahead of ours, if that is over 60 seconds.
    pub clock_skew_seconds: Option<i64>,
}

impl Answer {
    /// How long the answer asks us to wait; see [`crate::retry_after`].
    pub fn retry_after(&self) -> Option<Duration> {
        crate::retry_after(&self.headers, self.received)
    }
}

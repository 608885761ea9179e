//! What is known of the other side's clock, for requests that are signed with a time.
//!
//! Invariant: our own clock is believed until a refusal shows that it is wrong; a correction that did not help is
//! forgotten.

use std::sync::atomic::{AtomicI64, Ordering};

use sluicebox_core::Timestamp;

use crate::Answer;
use crate::retry_after::server_time;

/// Clocks that differ by less than this are not the reason for a refusal: who checks a time allows at least as much.
const TOLERATED_SKEW_MILLISECONDS: i64 = 60_000;

/// The server's clock minus ours, as far as it was needed.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    skew_milliseconds: AtomicI64,
}

impl ServerClock {
    /// Our time as the server would read it.
    pub(crate) fn corrected(&self, now: Timestamp) -> Timestamp {
        let skew = self.skew_milliseconds.load(Ordering::Relaxed);
        Timestamp::from_millis(now.as_millis().saturating_add(skew))
    }

    /// Takes over the server's clock if ours, as corrected so far, is too far from it to be believed.
    pub(crate) fn correct(&self, answer: &Answer) -> bool {
        let Some(skew) = measured_skew(answer) else { return false };
        let applied = self.skew_milliseconds.load(Ordering::Relaxed);
        if (skew - applied).abs() <= TOLERATED_SKEW_MILLISECONDS {
            return false;
        }
        self.skew_milliseconds.store(skew, Ordering::Relaxed);
        tracing::warn!(
            skew_seconds = skew / 1000,
            "this machine's clock differs from the server's; requests are signed with the server's time"
        );
        true
    }

    /// After the last refusal: how far the clocks are apart, if that is worth naming.
    pub(crate) fn skew_seconds(&self, answer: &Answer) -> Option<i64> {
        let skew = measured_skew(answer)?;
        // A correction that did not help is forgotten: the next refusal measures again.
        self.skew_milliseconds.store(0, Ordering::Relaxed);
        (skew.abs() > TOLERATED_SKEW_MILLISECONDS).then_some(skew / 1000)
    }
}

/// The server's clock minus ours, in milliseconds; `Date` has a resolution of one second.
fn measured_skew(answer: &Answer) -> Option<i64> {
    server_time(&answer.headers).map(|server| server.as_millis() - answer.received.as_millis())
}

//! The clock of the server: the clock of this machine, shifted on request.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Milliseconds since 1970 at the start, by the machine.
    start: i64,
    skew: AtomicI64,
}

impl Clock {
    pub(crate) fn new(skew_seconds: i64) -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            started: Instant::now(),
            start: i64::try_from(start).unwrap_or(i64::MAX),
            skew: AtomicI64::new(skew_seconds),
        }
    }

    /// Time since the start; never shifted.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    /// Milliseconds since 1970, shifted by the skew of the server and by that of one request (seconds).
    pub(crate) fn now(&self, request_skew: i64) -> i64 {
        let elapsed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        let skew = self.skew.load(Ordering::Relaxed).saturating_add(request_skew);
        self.start.saturating_add(elapsed).saturating_add(skew.saturating_mul(1000))
    }
}

/// The form of RFC 9110 section 5.6.7, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// ISO 8601 in UTC with milliseconds, as OpenTrain writes times.
pub(crate) fn iso_time(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_contracts_show_them() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso_time(1_781_258_404_120), "2026-06-12T10:00:04.120Z");
    }

    #[test]
    fn the_skew_shifts_the_clock() {
        let clock = Clock::new(3600);
        let ahead = clock.now(0);
        clock.set_skew(-3600);
        let difference = ahead - clock.now(0);
        assert!((7_199_000..=7_200_000).contains(&difference), "{difference}");
    }
}

//! `Retry-After`: seconds or an HTTP date (RFC 9110, section 10.2.3).
//!
//! Invariant: never under one second, so that `Retry-After: 0` is no hot loop, and never over five minutes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use sluicebox_core::Timestamp;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// How long an answer asks us to wait; `None` if it does not say, or says something else.
///
/// A date counts from the answer's own `Date` if there is one, so that a wrong clock on this machine does not matter;
/// else from `now`.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are more than five minutes.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let from = date(headers, &DATE).unwrap_or_else(|| system_time(now));
        until.duration_since(from).unwrap_or_default()
    };
    Some(wait.clamp(SHORTEST, LONGEST))
}

/// The answer's `Date` as milliseconds since the Unix epoch.
pub(crate) fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    let since = date(headers, &DATE)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry_after_text: &str, date_text: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_text.parse().unwrap());
        if let Some(text) = date_text {
            headers.insert(DATE, text.parse().unwrap());
        }
        let now = Timestamp::parse("2026-06-12T10:00:00Z").unwrap();
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait(" 7 ", None), Some(7));
        assert_eq!(wait("Fri, 12 Jun 2026 10:00:30 GMT", None), Some(30));
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::default()), None);
    }

    #[test]
    fn a_date_counts_from_the_servers_own_clock() {
        let date = "Fri, 12 Jun 2026 12:00:00 GMT";
        assert_eq!(wait("Fri, 12 Jun 2026 12:00:09 GMT", Some(date)), Some(9));
        assert_eq!(wait("Fri, 12 Jun 2026 10:00:30 GMT", Some("nonsense")), Some(30));
    }

    #[test]
    fn waits_are_bounded_and_nonsense_is_ignored() {
        assert_eq!(wait("0", None), Some(1));
        assert_eq!(wait("99999999999999999999999", None), Some(300));
        assert_eq!(wait("Fri, 12 Jun 2020 10:00:30 GMT", None), Some(1));
        assert_eq!(wait("-5", None), None);
        assert_eq!(wait("soon", None), None);
        assert_eq!(wait("", None), None);
    }
}

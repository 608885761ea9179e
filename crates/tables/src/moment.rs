//! Points in time with microseconds: read from RFC 3339 text, and written as it.

use sluicebox_core::Timestamp;

/// Reads RFC 3339 text (any offset) as microseconds since the Unix epoch; `None` if it is something else, or finer than
/// a microsecond: digits are never cut off.
pub fn parse_moment(text: &str) -> Option<i64> {
    let time = text.parse::<jiff::Timestamp>().ok()?;
    (time.subsec_nanosecond() % 1000 == 0).then(|| time.as_microsecond())
}

/// Writes microseconds since the Unix epoch as RFC 3339 in UTC, with three digits of the second, or six where needed.
pub fn write_moment(microseconds: i64) -> String {
    if microseconds % 1000 == 0 {
        return Timestamp::from_millis(microseconds / 1000).to_string();
    }
    let time = jiff::Timestamp::from_microsecond(microseconds).unwrap_or_default();
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_kept_and_nothing_finer_is_cut_off() {
        let time = parse_moment("2026-06-12T12:00:04.123456+02:00").unwrap();
        assert_eq!(write_moment(time), "2026-06-12T10:00:04.123456Z");
        assert_eq!(write_moment(parse_moment("2026-06-12T10:00:04Z").unwrap()), "2026-06-12T10:00:04.000Z");
        assert_eq!(
            write_moment(parse_moment("1969-12-31T23:59:59.999999Z").unwrap()),
            "1969-12-31T23:59:59.999999Z"
        );
        assert_eq!(parse_moment("2026-06-12T10:00:04.1234567Z"), None);
        assert_eq!(parse_moment("2026-06-12"), None);
    }
}

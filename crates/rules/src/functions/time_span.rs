//! Spans of time: durations, what lies between two times, and where a day or a month begins.

use jiff::{SignedDuration, ToSpan, Zoned};

use super::outcome::{Outcome, fault, quoted};
use super::time_zone::Moment;

/// What a time can be cut off to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// From small to large.
    pub(super) const ALL: [Self; 6] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The function that does it.
    pub(super) fn function(self) -> &'static str {
        match self {
            Self::Minute => "start_of_minute",
            Self::Hour => "start_of_hour",
            Self::Day => "start_of_day",
            Self::Week => "start_of_week",
            Self::Month => "start_of_month",
            Self::Year => "start_of_year",
        }
    }
}

/// When the unit began that a time lies in, in the zone it is seen in.
///
/// # Errors
/// That was before the calendar begins.
pub(super) fn start_of(unit: Unit, time: &Moment) -> Outcome<String> {
    started(unit, time.zoned())
        .map(|start| Moment::from(start).written())
        .map_err(|error| format!("`{}`: {error}", unit.function()).into())
}

fn started(unit: Unit, time: &Zoned) -> Result<Zoned, jiff::Error> {
    let date = time.date();
    let first = match unit {
        Unit::Minute => return time.with().second(0).subsec_nanosecond(0).build(),
        Unit::Hour => return time.with().minute(0).second(0).subsec_nanosecond(0).build(),
        Unit::Day => date,
        Unit::Week => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())?,
        Unit::Month => date.first_of_month(),
        Unit::Year => date.first_of_year(),
    };
    first.to_zoned(time.time_zone().clone())
}

/// From one time to another, in seconds.
///
/// # Errors
/// One of them is no time.
pub(super) fn seconds(from: &str, to: &str) -> Outcome<f64> {
    let (from, to) = (Moment::read("seconds_between", from)?, Moment::read("seconds_between", to)?);
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of 20,000 years fit into 53 bits")]
    Ok((to.millis() - from.millis()) as f64 / 1000.0)
}

/// Reads `1h30m`, `-15m`, `250ms`.
///
/// # Errors
/// It is no duration, or too long.
pub(super) fn duration(function: &str, text: &str) -> Outcome<SignedDuration> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    millis(rest)
        .map(|millis| SignedDuration::from_millis(sign * millis))
        .ok_or_else(|| fault(function, "a duration like \"1h30m\"", &quoted(text)))
}

fn millis(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let unit: i64 = match &after[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &after[letters..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_or_refused() {
        for (text, expected) in [("250ms", 250), ("1h30m", 5_400_000), ("2w1d", 1_296_000_000), ("0s", 0)] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for text in ["", "5", "h", "5 m", "5x", "1.5h", "99999999999999999w", "9223372036854775807w"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_begins_where_the_clock_says_even_when_it_is_changed() {
        let time = |text: &str| Moment::read("test", text).unwrap();
        let within =
            |text: &str, zone: &str| time(text).within(super::super::time_zone::zone("test", zone).unwrap());
        // 29 March 2026 has 23 hours in Berlin: it begins at +01:00 and ends at +02:00.
        assert_eq!(
            start_of(Unit::Day, &within("2026-03-29T20:00:00Z", "Europe/Berlin")).unwrap(),
            "2026-03-29T00:00:00.000+01:00"
        );
        // In Beirut the clock went from 0:00 to 1:00 on that day: it begins at one.
        assert_eq!(
            start_of(Unit::Day, &within("2026-03-29T12:00:00Z", "Asia/Beirut")).unwrap(),
            "2026-03-29T01:00:00.000+03:00"
        );
        assert_eq!(
            start_of(Unit::Hour, &time("2026-06-12T10:34:56.7+05:30")).unwrap(),
            "2026-06-12T10:00:00.000+05:30"
        );
        assert_eq!(start_of(Unit::Week, &time("2026-06-14T23:59:59Z")).unwrap(), "2026-06-08T00:00:00.000Z");
    }
}

//! Casts: a value as another type, or nothing if it cannot be one.
//!
//! Invariant: a value that has the type already keeps its bytes, and no cast rounds or shortens a value.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::number::Decimal;
use super::tree::quoted;

/// Unix times below are seconds, from here on milliseconds: as seconds this is the year 5138.
const FIRST_MILLISECONDS: i128 = 100_000_000_000;
/// Unix times from here on are neither.
const FIRST_BEYOND: i128 = 100_000_000_000_000;

/// What a value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CastType {
    /// A whole number of any size, from a number or text without a fraction (`"42"`, `7.0`, `1e3`).
    Integer,
    /// A number with the digits it has, from text (`"1.10"` becomes 1.10).
    Number,
    /// Text, from a number as it is written or from true and false.
    Text,
    /// True or false, from the text `true`, `yes`, `1`, `false`, `no`, `0` in any case, or from the numbers 1 and 0.
    Boolean,
    /// A time as RFC 3339 text in UTC with at least milliseconds, from RFC 3339 text with any offset, from a date or a
    /// date with a time (taken as UTC), or from Unix time: below 100,000,000,000 in seconds, from there on in
    /// milliseconds.
    Timestamp,
    /// A number as text with the digits it has and without an exponent, so that no program rounds it: 1.10 becomes
    /// `"1.10"`.
    DecimalAsText,
}

impl CastType {
    /// The word of the pipeline file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::DecimalAsText => "decimal_as_text",
        }
    }

    /// What it takes, in words.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Text => "text, a number, true or false",
            Self::Boolean => "true, false, yes, no, 1 or 0",
            Self::Timestamp => "an RFC 3339 time, a date or a Unix time",
            Self::DecimalAsText => "a decimal number",
        }
    }

    /// The JSON text of a value as this type; nothing if it cannot be one. `text` is JSON and not null.
    pub(super) fn cast(self, text: &str) -> Option<String> {
        let value = Scalar::read(text)?;
        match self {
            Self::Integer => value.number()?.integer(),
            Self::Number if matches!(value, Scalar::Number(_)) => Some(text.to_owned()),
            Self::Number => value.number().map(|number| number.json()),
            Self::Text => Some(match value {
                Scalar::Text(_) => text.to_owned(),
                Scalar::Number(_) | Scalar::Truth(_) => quoted(text),
            }),
            Self::Boolean => value.truth().map(|truth| truth.to_string()),
            Self::Timestamp => value.time().map(|time| quoted(&shown(time))),
            Self::DecimalAsText => value.number()?.plain().map(|number| quoted(&number)),
        }
    }
}

/// A value that is neither a map, a list nor null.
enum Scalar<'t> {
    Text(String),
    Number(&'t str),
    Truth(bool),
}

impl<'t> Scalar<'t> {
    fn read(text: &'t str) -> Option<Self> {
        match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).ok().map(Self::Text),
            b't' | b'f' => Some(Self::Truth(text == "true")),
            b'-' | b'0'..=b'9' => Some(Self::Number(text)),
            _ => None,
        }
    }

    fn number(&self) -> Option<Decimal> {
        match self {
            Self::Text(text) => Decimal::parse(text.trim()),
            Self::Number(text) => Decimal::parse(text),
            Self::Truth(_) => None,
        }
    }

    fn truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            Self::Number(_) => match self.number()?.integer()?.as_str() {
                "1" => Some(true),
                "0" => Some(false),
                _ => None,
            },
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
        }
    }

    fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Truth(_) => None,
            Self::Number(_) => unix_time(&self.number()?),
            Self::Text(text) => {
                let text = text.trim();
                match Decimal::parse(text) {
                    Some(number) => unix_time(&number),
                    None => text.parse().ok().or_else(|| civil_time(text)),
                }
            }
        }
    }
}

fn unix_time(number: &Decimal) -> Option<Timestamp> {
    let nanoseconds = match number.scaled(0)?.abs() {
        FIRST_BEYOND.. => return None,
        FIRST_MILLISECONDS.. => number.scaled(6)?,
        _ => number.scaled(9)?,
    };
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// A date, or a date with a time, that names no offset. With a zone or an offset it would be another time.
fn civil_time(text: &str) -> Option<Timestamp> {
    let is_civil = text.bytes().all(|sign| sign.is_ascii_digit() || b"-:. Tt".contains(&sign));
    let time: DateTime = text.parse().ok().filter(|_| is_civil && text.matches('-').count() == 2)?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// With milliseconds, or as many digits more as it takes to lose none.
fn shown(time: Timestamp) -> String {
    match time.subsec_nanosecond() {
        whole if whole % 1_000_000 == 0 => format!("{time:.3}"),
        whole if whole % 1000 == 0 => format!("{time:.6}"),
        _ => format!("{time:.9}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_what_they_can_be() {
        use CastType::{Boolean, DecimalAsText, Integer, Number, Text, Timestamp};
        for (text, to, expected) in [
            ("12345678901234567890", Integer, "12345678901234567890"),
            (r#"" +042 ""#, Integer, "42"),
            ("7.00", Integer, "7"),
            ("1e3", Integer, "1000"),
            ("1.10", Number, "1.10"),
            ("1E5", Number, "1E5"),
            (r#""1.10""#, Number, "1.10"),
            (r#""-.5""#, Number, "-0.5"),
            (r#""aé""#, Text, r#""aé""#),
            ("1.10", Text, r#""1.10""#),
            ("true", Text, r#""true""#),
            ("true", Boolean, "true"),
            (r#""YES""#, Boolean, "true"),
            ("0", Boolean, "false"),
            (r#"" 0 ""#, Boolean, "false"),
            ("1.10", DecimalAsText, r#""1.10""#),
            ("15e-1", DecimalAsText, r#""1.5""#),
            (r#""+007.50""#, DecimalAsText, r#""7.50""#),
            (r#""2026-06-12T12:00:00+02:00""#, Timestamp, r#""2026-06-12T10:00:00.000Z""#),
            (r#""2026-06-12T10:00:00.123456Z""#, Timestamp, r#""2026-06-12T10:00:00.123456Z""#),
            (r#""2026-06-12T10:00:00.1Z""#, Timestamp, r#""2026-06-12T10:00:00.100Z""#),
            (r#""2026-06-12 10:00:00.000000001""#, Timestamp, r#""2026-06-12T10:00:00.000000001Z""#),
            (r#""2026-06-12""#, Timestamp, r#""2026-06-12T00:00:00.000Z""#),
            ("1781258404", Timestamp, r#""2026-06-12T10:00:04.000Z""#),
            ("1781258404.12", Timestamp, r#""2026-06-12T10:00:04.120Z""#),
            ("1781258404120", Timestamp, r#""2026-06-12T10:00:04.120Z""#),
            (r#""1781258404120""#, Timestamp, r#""2026-06-12T10:00:04.120Z""#),
            ("-1", Timestamp, r#""1969-12-31T23:59:59.000Z""#),
        ] {
            assert_eq!(to.cast(text).as_deref(), Some(expected), "{text} to {}", to.as_str());
        }
    }

    #[test]
    fn what_would_be_a_guess_is_refused() {
        use CastType::{Boolean, DecimalAsText, Integer, Number, Text, Timestamp};
        for (text, to) in [
            ("1.5", Integer),
            ("true", Integer),
            (r#""12x""#, Integer),
            (r#""""#, Number),
            (r#""1,5""#, Number),
            (r#""NaN""#, Number),
            ("[1]", Text),
            ("{}", Text),
            ("2", Boolean),
            (r#""on""#, Boolean),
            ("false", DecimalAsText),
            ("1e-5000", DecimalAsText),
            (r#""\ud800""#, Text),
            ("100000000000000", Timestamp),
            (r#""yesterday""#, Timestamp),
            (r#""2026-06-12T10:00[Europe/Berlin]""#, Timestamp),
            (r#""2026-13-12""#, Timestamp),
            (r#""10:00""#, Timestamp),
            ("true", Timestamp),
        ] {
            assert_eq!(to.cast(text), None, "{text} to {}", to.as_str());
        }
    }
}

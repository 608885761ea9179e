//! Points in time as milliseconds, printed as RFC 3339.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in milliseconds since the Unix epoch, UTC; shown as RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch, clamped to the years -9999 to 9999.
    pub fn from_millis(milliseconds: i64) -> Self {
        let lowest = jiff::Timestamp::MIN.as_millisecond();
        let highest = jiff::Timestamp::MAX.as_millisecond();
        Self(milliseconds.clamp(lowest, highest))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-06-12T10:00:00.000Z`, any offset); `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_millisecond()))
    }

    /// Formats with strftime directives (`%Y-%m-%d`) in UTC.
    ///
    /// # Errors
    /// The library's message if `format` holds an unknown directive.
    pub fn strftime(self, format: &str) -> Result<String, String> {
        jiff::fmt::strtime::format(format, &self.zoned()).map_err(|error| error.to_string())
    }

    fn zoned(self) -> jiff::Zoned {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        time.to_zoned(jiff::tz::TimeZone::UTC)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc_3339_with_milliseconds() {
        let time = Timestamp::parse("2026-06-12T10:00:04.120Z").unwrap();
        assert_eq!(time.as_millis(), 1_781_258_404_120);
        assert_eq!(time.to_string(), "2026-06-12T10:00:04.120Z");
        assert_eq!(Timestamp::parse("2026-06-12T12:00:04.12+02:00").unwrap(), time);
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn formats_with_strftime_in_utc_and_survives_the_extremes() {
        let time = Timestamp::from_millis(1_781_258_404_120);
        assert_eq!(time.strftime("%Y-%m-%d/%H").unwrap(), "2026-06-12/10");
        assert!(time.strftime("%!").is_err());
        let _ = Timestamp::from_millis(i64::MAX).to_string();
        let _ = Timestamp::from_millis(i64::MIN).to_string();
    }
}

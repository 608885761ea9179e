//! A moment with the zone that it is seen in: between the text of a rule and the library that knows the calendar.

use std::sync::LazyLock;

use jiff::fmt::{rfc2822, temporal::Pieces};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

use super::outcome::{Outcome, fault, quoted};
use super::time_span::duration;

/// The database that is built in. What the machine has may be older or newer, and two machines would disagree.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone by its name.
///
/// # Errors
/// There is none of that name.
pub(super) fn zone(function: &str, name: &str) -> Outcome<TimeZone> {
    ZONES.get(name).map_err(|_| fault(function, "a time zone like \"Europe/Berlin\"", &quoted(name)))
}

/// A point in time, to the millisecond, in a zone.
pub(super) struct Moment(Zoned);

impl Moment {
    /// Reads RFC 3339 with any offset, which stays.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn read(function: &str, text: &str) -> Outcome<Self> {
        Self::exact(text)
            .ok_or_else(|| fault(function, "a time like \"2026-06-12T10:00:00Z\"", &quoted(text)))
    }

    fn exact(text: &str) -> Option<Self> {
        let time: Timestamp = text.parse().ok()?;
        let offset = Pieces::parse(text).ok()?.to_numeric_offset()?;
        Some(Self::from(time).within(TimeZone::fixed(offset)))
    }

    /// Reads RFC 3339, RFC 2822 or a date with or without a time, and sees it in UTC.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn lenient(function: &str, text: &str) -> Outcome<Self> {
        let text = text.trim();
        let local = || {
            let pieces = Pieces::parse(text).ok().filter(|it| it.offset().is_none())?;
            pieces.date().to_datetime(pieces.time().unwrap_or_default()).to_zoned(TimeZone::UTC).ok()
        };
        let time = text.parse::<Timestamp>().ok();
        let time = time.or_else(|| local().map(|local| local.timestamp()));
        let time = time.or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()));
        time.map(Self::from)
            .ok_or_else(|| fault(function, "a time like \"2026-06-12T10:00:00Z\" or a date", &quoted(text)))
    }

    /// From milliseconds since 1970, in UTC; `None` beyond the years -9999 to 9999.
    pub(super) fn from_millis(millis: i64) -> Option<Self> {
        Timestamp::from_millisecond(millis).ok().map(Self::from)
    }

    /// Milliseconds since 1970.
    pub(super) fn millis(&self) -> i64 {
        self.0.timestamp().as_millisecond()
    }

    /// The same moment in another zone.
    pub(super) fn within(self, zone: TimeZone) -> Self {
        Self(self.0.with_time_zone(zone))
    }

    /// The moment after a duration.
    ///
    /// # Errors
    /// The duration is none, or leads out of the calendar.
    pub(super) fn later(self, function: &str, text: &str) -> Outcome<Self> {
        let moved = self.0.timestamp().checked_add(duration(function, text)?);
        let zone = self.0.time_zone().clone();
        moved
            .map(|time| Self::from(time).within(zone))
            .map_err(|_| fault(function, "a time between the years -9999 and 9999", "one beyond them"))
    }

    /// For the calendar.
    pub(super) fn zoned(&self) -> &Zoned {
        &self.0
    }

    /// RFC 3339 with milliseconds; `Z` where the offset is none.
    pub(super) fn written(&self) -> String {
        if self.0.offset().is_zero() {
            return format!("{:.3}", self.0.timestamp());
        }
        format!("{:.3}{}", self.0.datetime(), offset(self.0.offset().seconds()))
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let whole = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
        Self(whole.to_zoned(TimeZone::UTC))
    }
}

impl From<Zoned> for Moment {
    fn from(zoned: Zoned) -> Self {
        Self(zoned)
    }
}

/// `+02:00`; RFC 3339 knows no seconds in an offset, and no zone has had any for a century.
fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

//! Times: RFC 3339 texts as `meta.time` is, read, written, moved and cut off, in any time zone.
//!
//! A time stays a text, so it is compared, stored and sent like any other field. Every time that these functions give
//! has milliseconds, no more and no less, so that texts of one offset compare as the times do. Nothing here reads a
//! clock, and the time zone data is built in: a rule gives the same on every machine and on every day.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use rhai::{Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, fault, quoted};
use super::time_span::{Unit, seconds, start_of};
use super::time_zone::{Moment, zone};
use crate::limits;

pub(super) const FAMILY: Family = Family {
    name: "time",
    summary: "Times are RFC 3339 text with milliseconds, as `meta.time` is. A time with an offset keeps it, and days \
              and hours are those of its offset unless a zone is named. Zones are those of the IANA database, which \
              is built in. There is no function for the time it is now: `meta.received` is when the event came.",
    functions: functions! {
        "parse_time" "(text) → time":
            "A time in UTC from RFC 3339, from an e-mail's or HTTP's form, or from a date with or without a time (UTC)."
            r#"[parse_time("2026-06-12T12:00:00+02:00"), parse_time("2026-06-12 10:00"), parse_time("Fri, 12 Jun 2026 10:00:00 GMT")]"#
            => r#"["2026-06-12T10:00:00.000Z","2026-06-12T10:00:00.000Z","2026-06-12T10:00:00.000Z"]"#;
        "parse_time" "(text, format) → time":
            "A time in UTC from a text in a strftime format; without an offset in the text it is UTC."
            r#"parse_time("12.06.2026 10:00", "%d.%m.%Y %H:%M")"# => r#""2026-06-12T10:00:00.000Z""#;
        "parse_time" "(text, format, zone) → time":
            "The same for a text without an offset that is local time of a zone."
            r#"parse_time("12.06.2026 10:00", "%d.%m.%Y %H:%M", "Europe/Berlin")"# => r#""2026-06-12T08:00:00.000Z""#;
        "is_time" "(text) → true or false": "Whether a text is a time with an offset (RFC 3339)."
            r#"[is_time("2026-06-12T10:00:00Z"), is_time("yesterday")]"# => "[true,false]";
        "format_time" "(time, format) → text":
            "A time in a strftime format: `%Y-%m-%d`, `%H:%M:%S`, `%A`, `%B`, `%j`, `%V` and so on."
            r#"format_time("2026-06-12T10:00:00Z", "%A, %-d %B %Y")"# => r#""Friday, 12 June 2026""#;
        "format_time" "(time, format, zone) → text": "The same in a zone."
            r#"format_time("2026-06-12T10:00:00Z", "%H:%M %Z", "Europe/Berlin")"# => r#""12:00 CEST""#;
        "in_zone" "(time, zone) → time": "The same time with the offset that the zone has then."
            r#"in_zone("2026-06-12T10:00:00Z", "Europe/Berlin")"# => r#""2026-06-12T12:00:00.000+02:00""#;
        "add_duration" "(time, duration) → time":
            "A time later, or earlier with a minus: `ms`, `s`, `m`, `h`, `d` (24 hours), `w`, also several in a row."
            r#"[add_duration("2026-06-12T10:00:00Z", "1h30m"), add_duration("2026-06-12T10:00:00Z", "-1d")]"#
            => r#"["2026-06-12T11:30:00.000Z","2026-06-11T10:00:00.000Z"]"#;
        "seconds_between" "(from, to) → number": "From one time to another in seconds; negative if the second is earlier."
            r#"seconds_between("2026-06-12T10:00:00Z", "2026-06-12T10:01:30.5Z")"# => "90.5";
        "start_of_minute" "(time) → time": "When its minute began." r#"start_of_minute("2026-06-12T10:34:56Z")"# => r#""2026-06-12T10:34:00.000Z""#;
        "start_of_hour" "(time) → time": "When its hour began; of a zone, if one is given second."
            r#"start_of_hour("2026-06-12T10:34:56Z")"# => r#""2026-06-12T10:00:00.000Z""#;
        "start_of_day" "(time) → time": "When its day began; of a zone, if one is given second."
            r#"[start_of_day("2026-06-12T23:30:00Z"), start_of_day("2026-06-12T23:30:00Z", "Europe/Berlin")]"#
            => r#"["2026-06-12T00:00:00.000Z","2026-06-13T00:00:00.000+02:00"]"#;
        "start_of_week" "(time) → time": "When its week began, on Monday; of a zone, if one is given second."
            r#"start_of_week("2026-06-12T10:00:00Z")"# => r#""2026-06-08T00:00:00.000Z""#;
        "start_of_month" "(time) → time": "When its month began; of a zone, if one is given second."
            r#"start_of_month("2026-06-12T10:00:00Z")"# => r#""2026-06-01T00:00:00.000Z""#;
        "start_of_year" "(time) → time": "When its year began; of a zone, if one is given second."
            r#"start_of_year("2026-06-12T10:00:00Z")"# => r#""2026-01-01T00:00:00.000Z""#;
        "time_parts" "(time) → map":
            "Its numbers: `year`, `month`, `day`, `hour`, `minute`, `second`, `weekday` (Monday is 1), `day_of_year`; of \
             a zone, if one is given second."
            r#"time_parts("2026-06-12T10:00:05Z")"#
            => r#"{"day":12,"day_of_year":163,"hour":10,"minute":0,"month":6,"second":5,"weekday":5,"year":2026}"#;
        "unix_seconds" "(time) → integer": "Whole seconds since 1970." r#"unix_seconds("2026-06-12T10:00:00Z")"# => "1781258400";
        "unix_millis" "(time) → integer": "Milliseconds since 1970." r#"unix_millis("2026-06-12T10:00:00.120Z")"# => "1781258400120";
        "from_unix_seconds" "(number) → time": "A time in UTC from seconds since 1970."
            "from_unix_seconds(1781258400)" => r#""2026-06-12T10:00:00.000Z""#;
        "from_unix_millis" "(integer) → time": "A time in UTC from milliseconds since 1970."
            "from_unix_millis(1781258400120)" => r#""2026-06-12T10:00:00.120Z""#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("parse_time", |text: &str| Moment::lenient("parse_time", text).map(|it| it.written()));
    engine.register_fn("parse_time", |text: &str, format: &str| parsed(text, format, TimeZone::UTC));
    engine.register_fn("parse_time", |text: &str, format: &str, name: &str| {
        parsed(text, format, zone("parse_time", name)?)
    });
    engine.register_fn("is_time", |text: &str| Moment::read("is_time", text).is_ok());
    engine.register_fn("format_time", |time: &str, format: &str| {
        formatted(&Moment::read("format_time", time)?, format)
    });
    engine.register_fn("format_time", |time: &str, format: &str, name: &str| {
        formatted(&Moment::read("format_time", time)?.within(zone("format_time", name)?), format)
    });
    engine.register_fn("in_zone", |time: &str, name: &str| -> Outcome<String> {
        Ok(Moment::read("in_zone", time)?.within(zone("in_zone", name)?).written())
    });
    engine.register_fn("add_duration", |time: &str, duration: &str| {
        Moment::read("add_duration", time)?.later("add_duration", duration).map(|it| it.written())
    });
    engine.register_fn("seconds_between", seconds);
    for unit in Unit::ALL {
        let function = unit.function();
        engine.register_fn(function, move |time: &str| start_of(unit, &Moment::read(function, time)?));
        engine.register_fn(function, move |time: &str, name: &str| {
            start_of(unit, &Moment::read(function, time)?.within(zone(function, name)?))
        });
    }
    engine.register_fn("time_parts", |time: &str| Moment::read("time_parts", time).map(|it| parts(&it)));
    engine.register_fn("time_parts", |time: &str, name: &str| -> Outcome<Map> {
        Ok(parts(&Moment::read("time_parts", time)?.within(zone("time_parts", name)?)))
    });
    unix(engine);
}

fn unix(engine: &mut Engine) {
    engine.register_fn("unix_seconds", |time: &str| -> Outcome<i64> {
        Ok(Moment::read("unix_seconds", time)?.millis().div_euclid(1000))
    });
    engine.register_fn("unix_millis", |time: &str| Moment::read("unix_millis", time).map(|it| it.millis()));
    engine.register_fn("from_unix_seconds", |seconds: i64| {
        from_millis("from_unix_seconds", seconds.checked_mul(1000))
    });
    engine.register_fn("from_unix_seconds", |seconds: f64| {
        // Beyond what an i64 holds the conversion saturates, far outside of any time.
        #[allow(clippy::cast_possible_truncation, reason = "saturates, and is refused then")]
        let millis = (seconds * 1000.0).round() as i64;
        from_millis("from_unix_seconds", Some(millis).filter(|_| seconds.is_finite()))
    });
    engine.register_fn("from_unix_millis", |millis: i64| from_millis("from_unix_millis", Some(millis)));
}

fn from_millis(function: &str, millis: Option<i64>) -> Outcome<String> {
    millis
        .and_then(Moment::from_millis)
        .map(|it| it.written())
        .ok_or_else(|| fault(function, "a time between the years -9999 and 9999", "a number beyond them"))
}

/// A format, of which each letter can stand for a long text.
fn bounded<'f>(function: &str, format: &'f str) -> Outcome<&'f str> {
    if format.len() <= limits::FORMAT_BYTES {
        return Ok(format);
    }
    let expected = format!("a format of at most {} bytes", limits::FORMAT_BYTES);
    Err(fault(function, &expected, &format!("one of {}", format.len())))
}

fn parsed(text: &str, format: &str, zone: TimeZone) -> Outcome<String> {
    let format = bounded("parse_time", format)?;
    let parsed = strtime::parse(format, text).and_then(|parts| {
        if parts.timestamp().is_some() || parts.offset().is_some() {
            return parts.to_timestamp();
        }
        let local = parts.to_datetime().or_else(|_| parts.to_date().map(Into::into))?;
        Ok(local.to_zoned(zone)?.timestamp())
    });
    match parsed {
        Ok(time) => Ok(Moment::from(time).written()),
        Err(error) => {
            let expected = format!("a time in the format {}", quoted(format));
            Err(fault("parse_time", &expected, &format!("{}: {error}", quoted(text))))
        }
    }
}

fn formatted(time: &Moment, format: &str) -> Outcome<String> {
    let format = bounded("format_time", format)?;
    strtime::format(format, time.zoned())
        .map_err(|error| format!("`format_time` cannot use the format {}: {error}", quoted(format)).into())
}

fn parts(time: &Moment) -> Map {
    let zoned = time.zoned();
    let parts: [(&str, i64); 8] = [
        ("year", zoned.year().into()),
        ("month", zoned.month().into()),
        ("day", zoned.day().into()),
        ("hour", zoned.hour().into()),
        ("minute", zoned.minute().into()),
        ("second", zoned.second().into()),
        ("weekday", zoned.weekday().to_monday_one_offset().into()),
        ("day_of_year", zoned.day_of_year().into()),
    ];
    parts.into_iter().map(|(name, part)| (name.into(), part.into())).collect()
}

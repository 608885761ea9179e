//! The formats of texts that are told: those that a rule can use.

/// A format of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    DateTime,
    Date,
    Uuid,
    Uri,
}

impl Format {
    /// As JSON Schema calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Uri => "uri",
        }
    }
}

/// The formats that a text has.
pub(super) fn of(text: &str) -> Vec<Format> {
    let tests = [
        (Format::DateTime, is_date_time(text)),
        (Format::Date, is_date(text)),
        (Format::Uuid, is_uuid(text)),
        (Format::Uri, is_uri(text)),
    ];
    tests.into_iter().filter(|(_, is)| *is).map(|(format, _)| format).collect()
}

/// Whether a text has the form of a pattern: `0` stands for a digit, everything else for itself.
fn has_form(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

fn is_date(text: &str) -> bool {
    has_form(text, "0000-00-00")
}

/// RFC 3339: `2026-06-12T10:00:00Z`, with a fraction and an offset if need be.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let Some(rest) = time.get(8..).filter(|_| has_form(&time[..8], "00:00:00")) else { return false };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let zone = match rest.strip_prefix('.') {
        Some(fraction) if digits(fraction) > 0 => &fraction[digits(fraction)..],
        Some(_) => return false,
        None => rest,
    };
    let is_offset = |zone: &str| zone.starts_with(['+', '-']) && has_form(&zone[1..], "00:00");
    is_date(date) && (matches!(zone, "Z" | "z") || is_offset(zone))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12]) && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uri(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (text, expected) in [
            ("2026-06-12T10:00:00.000Z", Some(Format::DateTime)),
            ("2026-06-12T10:00:00+02:00", Some(Format::DateTime)),
            ("2026-06-12T10:00:00", None),
            ("2026-06-12T10:00:00.Z", None),
            ("2026-06-12T10:00é00Z", None),
            ("2026-06-12", Some(Format::Date)),
            ("2026-6-12", None),
            ("0b7e6c9e-0000-4000-8000-00000000000f", Some(Format::Uuid)),
            ("https://example.com/a", Some(Format::Uri)),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(of(text).first().copied(), expected, "{text}");
        }
    }
}

//! Durations and sizes as a pipeline file spells them: `250ms 15s 5m 1h`, `64KiB 10MiB`.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time: a number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// A number of bytes: a number and one of `B`, `KiB`, `MiB`, `GiB` (or `KB`, `MB`, `GB`, decimal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Splits `15s` into 15 and its unit's factor.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(factor)
}

impl Period {
    /// Units with their length in milliseconds, smallest first.
    const UNITS: [(&'static str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// Reads `15s`; `None` if it is something else. A bare number has no unit and is refused.
    pub fn parse(text: &str) -> Option<Self> {
        quantity(text, &Self::UNITS).map(Self::from_millis)
    }
}

impl ByteSize {
    const UNITS: [(&'static str, u64); 7] = [
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
    ];

    /// Reads `10MiB`; `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        quantity(text, &Self::UNITS).map(Self)
    }

    /// As a length in memory; saturates on small machines.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fits = Self::UNITS.iter().rev().find(|(_, factor)| milliseconds.is_multiple_of(*factor));
        let (unit, factor) = if milliseconds == 0 { ("s", 1000) } else { *fits.unwrap_or(&("ms", 1)) };
        write!(f, "{}{unit}", milliseconds / factor)
    }
}

impl std::fmt::Display for ByteSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fits = Self::UNITS[..4].iter().rev().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (unit, factor) = if self.0 == 0 { ("B", 1) } else { *fits.unwrap_or(&("B", 1)) };
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// Serde and schema through text for a unit type.
macro_rules! text_unit {
    ($type:ident, $name:literal, $expected:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text)
                    .ok_or_else(|| serde::de::Error::custom(format!("expected {}, found `{text}`", $expected)))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $name, "pattern": $pattern, "description": $expected })
            }
        }
    };
}

text_unit!(Period, "duration", "a duration like `250ms`, `15s`, `5m` or `1h`", r"^\d+\s*(ms|s|m|h|d)$");
text_unit!(ByteSize, "size", "a size like `64KiB` or `10MiB`", r"^\d+\s*(B|KiB|MiB|GiB|KB|MB|GB)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_sizes_read_back_what_they_print() {
        for text in ["250ms", "15s", "5m", "1h", "2d", "0s"] {
            assert_eq!(Period::parse(text).unwrap().to_string(), text);
        }
        for text in ["64KiB", "10MiB", "1GiB", "17B", "0B"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Period::parse("90s").unwrap().to_string(), "90s");
        assert_eq!(ByteSize::parse("10 MB").unwrap().0, 10_000_000);
    }

    #[test]
    fn what_has_no_unit_or_overflows_is_refused() {
        for text in ["15", "", "s", "-1s", "1.5s", "15 sec", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(Period::parse(text), None, "{text}");
        }
        assert_eq!(ByteSize::parse("10M"), None);
    }
}

//! How many requests a minute a credential may make, as the pipeline file spells it.
//!
//! Invariant: a rate is at least one request a minute.

use std::borrow::Cow;
use std::num::NonZeroU32;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Requests per minute with a burst as large, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// So many requests a minute.
    PerMinute(NonZeroU32),
    /// No limit of ours; what the other side says still holds.
    Unlimited,
}

impl Rate {
    /// So many requests a minute; 0 counts as 1.
    pub const fn per_minute(requests: u32) -> Self {
        match NonZeroU32::new(requests) {
            Some(requests) => Self::PerMinute(requests),
            None => Self::PerMinute(NonZeroU32::MIN),
        }
    }
}

const EXPECTED: &str = "a number of requests per minute (1 or more), or `unlimited`";

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = Rate;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_u64<E: de::Error>(self, requests: u64) -> Result<Rate, E> {
        let requests = u32::try_from(requests).ok().and_then(NonZeroU32::new);
        requests.map(Rate::PerMinute).ok_or_else(|| E::custom(format!("expected {EXPECTED}")))
    }

    fn visit_i64<E: de::Error>(self, requests: i64) -> Result<Rate, E> {
        self.visit_u64(u64::try_from(requests).unwrap_or_default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
        match text.parse::<u64>() {
            _ if text == "unlimited" => Ok(Rate::Unlimited),
            Ok(requests) => self.visit_u64(requests),
            Err(_) => Err(E::custom(format!("expected {EXPECTED}, found `{text}`"))),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

impl serde::Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::PerMinute(requests) => serializer.serialize_u32(requests.get()),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "unlimited" }],
            "description": "requests per minute, or `unlimited`"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number_or_the_word() {
        let read = |text: &str| serde_json::from_str::<Rate>(text);
        assert_eq!(read("60").unwrap(), Rate::per_minute(60));
        assert_eq!(read(r#""unlimited""#).unwrap(), Rate::Unlimited);
        for text in ["0", "-1", "1.5", r#""fast""#, "[]"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("requests per minute"), "{text}: {error}");
        }
    }
}

//! The options about the connection that the sink and the source share, as a pipeline file spells them.
//!
//! Invariant: what may be a secret (a password, a value of the escape hatch) is never part of a message or of `Debug`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use sluicebox_core::{Secret, TlsOptions};

/// `tls:` of Kafka, whose addresses have no scheme that could say it: `off`, or a map (`{}`: on).
#[derive(Clone, Debug)]
pub enum Tls {
    /// In the clear, on purpose.
    Off,
    /// Verified TLS.
    On(TlsOptions),
}

impl<'de> Deserialize<'de> for Tls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl<'de> Visitor<'de> for TlsVisitor {
    type Value = Tls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`off`, or a map (`{}` is TLS with the authorities of the machine)")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Tls, E> {
        Ok(if on { Tls::On(TlsOptions::default()) } else { Tls::Off })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Tls, E> {
        match text {
            "off" => Ok(Tls::Off),
            "on" => Ok(Tls::On(TlsOptions::default())),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tls, A::Error> {
        TlsOptions::deserialize(MapAccessDeserializer::new(map)).map(Tls::On)
    }
}

impl JsonSchema for Tls {
    fn schema_name() -> Cow<'static, str> {
        "kafka_tls".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "off" }, generator.subschema_for::<TlsOptions>()] })
    }
}

/// How to log in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaslOptions {
    /// The mechanism; `plain` sends the password to the broker, so use it with `tls` only.
    pub mechanism: SaslMechanism,
    /// The user.
    #[schemars(length(min = 1), example = "${KAFKA_USERNAME}")]
    pub username: String,
    /// The password.
    #[schemars(example = "${KAFKA_PASSWORD}")]
    pub password: Secret,
}

/// A mechanism of SASL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaslMechanism {
    /// The password as it is.
    Plain,
    /// SCRAM-SHA-256 (RFC 7677).
    #[serde(rename = "scram_sha_256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "scram_sha_512")]
    ScramSha512,
}

impl SaslMechanism {
    /// The name on the wire.
    pub(crate) fn wire_name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// The value of one of librdkafka's own settings: text, a number, or true or false.
#[derive(Clone)]
pub struct Setting(String);

impl Setting {
    /// As librdkafka reads it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(…)")
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl Visitor<'_> for SettingVisitor {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, `true` or `false`")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Setting, E> {
        Ok(Setting(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Setting, E> {
        Ok(Setting(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Setting, E> {
        Ok(Setting(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Setting, E> {
        Ok(Setting(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Setting, E> {
        Ok(Setting(value.to_owned()))
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "librdkafka_setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tls_is_off_or_a_map() {
        let read = |value| serde_json::from_value::<Tls>(value);
        assert!(matches!(read(json!("off")), Ok(Tls::Off)));
        assert!(matches!(read(json!(false)), Ok(Tls::Off)));
        assert!(matches!(read(json!({})), Ok(Tls::On(options)) if !options.insecure_skip_verify));
        let error = read(json!({ "ca": "x" })).unwrap_err().to_string();
        assert!(error.contains("unknown field `ca`"), "{error}");
        assert!(read(json!("maybe")).unwrap_err().to_string().contains("`off`, or a map"));
    }

    #[test]
    fn settings_may_be_secrets_and_are_not_shown() {
        let setting: Setting = serde_json::from_value(json!("hunter2")).unwrap();
        assert_eq!(setting.as_str(), "hunter2");
        assert_eq!(format!("{setting:?}"), "Setting(…)");
        let number: Setting = serde_json::from_value(json!(5)).unwrap();
        assert_eq!(number.as_str(), "5");
    }
}

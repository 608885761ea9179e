//! Secrets: a type that cannot be printed, logged or serialised.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// A credential. No `Display`, no `Serialize`; `Debug` prints `Secret(…)`.
///
/// Remembers the file it came from (`${file:/run/secrets/x}` as the whole value), so that the HTTP client can read it
/// again after a 401: a rotated secret needs no restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    file: Option<PathBuf>,
}

impl Secret {
    /// The key under which `config` hands over a secret that came whole from a file: `{"$secret": …, "$file": …}`.
    pub const VALUE_KEY: &'static str = "$secret";
    /// The path beside it.
    pub const FILE_KEY: &'static str = "$file";

    /// A secret from text.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), file: None }
    }

    /// A secret that was read from a file.
    pub fn from_file(value: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self { value: value.into(), file: Some(file.into()) }
    }

    /// The text, for the one place that puts it on the wire.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The file that it came from whole, if it did.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret as text, best as `${VARIABLE}` or `${file:/path}`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut secret = Secret::new("");
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                Secret::VALUE_KEY => secret.value = map.next_value()?,
                Secret::FILE_KEY => secret.file = Some(map.next_value()?),
                _ => return Err(de::Error::custom("expected a secret as text, found a map")),
            }
        }
        Ok(secret)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "secret",
            "description": "a secret, best as `${VARIABLE}` or `${file:/path}`"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_its_value() {
        let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_secret_from_a_file_remembers_the_file() {
        let text = r#"{"$secret":"hunter2","$file":"/run/secrets/x"}"#;
        let secret: Secret = serde_json::from_str(text).unwrap();
        assert_eq!(secret.file(), Some(Path::new("/run/secrets/x")));
        let error = serde_json::from_str::<Secret>(r#"{"token":"hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}

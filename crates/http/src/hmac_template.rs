//! `auth: { hmac: … }`: a request that is signed as a template says, for APIs that each sign in a way of their own.
//!
//! Invariant: whatever can be known to be wrong before the first request (names of places, headers, a signature that is
//! sent nowhere) is a problem with its place.

use std::collections::BTreeMap;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Period, Problem, Secret};

use crate::hmac_place::{IN_HEADERS, IN_QUERY, Place, Places, SIGNED};

/// A request that is signed as a template says.
///
/// `sign` says what is signed, `headers` and `query` where the results go. Their texts may name `{{ timestamp }}`,
/// `{{ expires }}`, `{{ nonce }}`, `{{ key }}`, `{{ passphrase }}`, `{{ body_sha256 }}`, `{{ body_sha512 }}` (hex) and
/// `{{ body_sha256_base64 }}`; `sign` also `{{ method }}`, `{{ host }}`, `{{ path }}`, `{{ query }}` (without `?`),
/// `{{ path_and_query }}` and `{{ body }}`, each exactly as it is sent; the others also `{{ signature }}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacTemplate {
    /// The public key or id, sent where a text says `{{ key }}`.
    #[serde(default)]
    pub key: Option<Secret>,
    /// The secret that signs; it never leaves this machine.
    pub secret: Secret,
    /// How the secret is written.
    #[serde(default)]
    pub secret_encoding: SecretEncoding,
    /// A password beside the key, sent where a text says `{{ passphrase }}`.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// The hash function.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// What is signed.
    #[schemars(example = "{{ timestamp }}{{ method }}{{ path_and_query }}{{ body }}")]
    pub sign: String,
    /// How the signature is written.
    #[serde(default)]
    pub signature_encoding: SignatureEncoding,
    /// How times are written.
    #[serde(default)]
    pub timestamp: TimestampFormat,
    /// How long after the timestamp a request is no longer valid, for `{{ expires }}`.
    #[serde(default)]
    pub expires_in: Option<Period>,
    /// What `{{ nonce }}` is.
    #[serde(default)]
    pub nonce: NonceKind,
    /// Headers that are added.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "X-Key": "{{ key }}", "X-Timestamp": "{{ timestamp }}", "X-Signature": "{{ signature }}" }))]
    pub headers: BTreeMap<String, String>,
    /// Parameters that are added to the query. Those without the signature come first and are signed with the rest of
    /// it, the signature comes last.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "timestamp": "{{ timestamp }}", "signature": "{{ signature }}" }))]
    pub query: BTreeMap<String, String>,
}

/// The hash function of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    /// HMAC-SHA256.
    #[default]
    Sha256,
    /// HMAC-SHA512.
    Sha512,
    /// HMAC-SHA1, for APIs that know nothing better.
    Sha1,
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// Its bytes are those of the text.
    #[default]
    Text,
    /// In base64.
    Base64,
    /// In hex.
    Hex,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    /// In lower-case hex.
    #[default]
    Hex,
    /// In base64 with padding.
    Base64,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestampFormat {
    /// Whole seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// `2026-06-12T10:00:00.000Z`.
    Rfc3339,
}

/// What a nonce is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NonceKind {
    /// A random UUID.
    #[default]
    Uuid,
    /// A number that only grows: the milliseconds since 1970, or one more than the last one.
    Number,
}

/// A template whose texts have been read.
#[derive(Debug)]
pub(crate) struct ReadTemplate {
    pub(crate) sign: Places,
    pub(crate) headers: Vec<(HeaderName, Places)>,
    /// Parameters that are signed.
    pub(crate) signed_query: Vec<(String, Places)>,
    /// Parameters that hold the signature.
    pub(crate) query: Vec<(String, Places)>,
}

impl HmacTemplate {
    /// Everything that is wrong with it; paths begin at the template.
    pub fn problems(&self) -> Vec<Problem> {
        self.read().err().unwrap_or_default()
    }

    /// Reads the texts.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn read(&self) -> Result<ReadTemplate, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut text = |path: String, text: &str, known: &[Place]| match Places::parse(text, known) {
            Ok(places) => Some(places),
            Err((message, help)) => {
                problems.push(Problem::new(path, message).with_help(help));
                None
            }
        };
        let sign = text("sign".to_owned(), &self.sign, SIGNED);
        let (mut headers, mut signed_query, mut query) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in &self.headers {
            let places = text(format!("headers.{name}"), value, IN_HEADERS);
            headers.extend(HeaderName::try_from(name).ok().zip(places));
        }
        for (name, value) in &self.query {
            let Some(places) = text(format!("query.{name}"), value, IN_QUERY) else { continue };
            let list = if places.names(Place::Signature) { &mut query } else { &mut signed_query };
            list.push((name.clone(), places));
        }
        for name in self.headers.keys().filter(|name| HeaderName::try_from(name.as_str()).is_err()) {
            let message = format!("`{}` is not the name of a header", name.escape_debug());
            problems.push(Problem::new(format!("headers.{name}"), message));
        }
        match sign {
            Some(sign) if problems.is_empty() => {
                let read = ReadTemplate { sign, headers, signed_query, query };
                let problems = self.misuses(&read);
                if problems.is_empty() { Ok(read) } else { Err(problems) }
            }
            _ => Err(problems),
        }
    }

    /// Values that are named and not given, or given and not named.
    fn misuses(&self, read: &ReadTemplate) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sign.is_empty() {
            problems.push(
                Problem::new("sign", "nothing is signed").with_help(
                    "say what is, like `{{ timestamp }}{{ method }}{{ path_and_query }}{{ body }}`",
                ),
            );
        }
        if !read.sends(Place::Signature) {
            problems.push(
                Problem::new("headers", "the signature is made and never sent")
                    .with_help("put `{{ signature }}` into a header, or into a parameter under `query`"),
            );
        }
        for (place, is_given) in [
            (Place::Key, self.key.is_some()),
            (Place::Passphrase, self.passphrase.is_some()),
            (Place::Expires, self.expires_in.is_some()),
        ] {
            let option = if place == Place::Expires { "expires_in".to_owned() } else { place.to_string() };
            let is_named = read.sign.names(place) || read.sends(place);
            if is_named && !is_given {
                let message = format!("`{{{{ {place} }}}}` is named, and there is no `{option}`");
                problems.push(Problem::new(option, message));
            } else if is_given && !is_named {
                let message = format!("`{{{{ {place} }}}}` is named nowhere, so this is never used");
                problems.push(Problem::new(option, message));
            }
        }
        problems
    }
}

impl ReadTemplate {
    /// Whether a place goes into a header or the query.
    fn sends(&self, place: Place) -> bool {
        let in_query = self.query.iter().chain(&self.signed_query).any(|(_, places)| places.names(place));
        in_query || self.headers.iter().any(|(_, places)| places.names(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(String, String, String)> {
        let template: HmacTemplate = serde_json::from_str(text).unwrap();
        let problems = template.problems().into_iter();
        problems.map(|it| (it.path, it.message, it.help.unwrap_or_default())).collect()
    }

    #[test]
    fn a_sound_template_has_no_problems() {
        for text in [
            r#"{"secret":"s","sign":"{{ body }}","headers":{"X-Sign":"v1={{ signature }}"}}"#,
            r#"{"key":"k","passphrase":"p","secret":"s","sign":"{{ query }}{{ expires }}","expires_in":"30s",
                "query":{"signature":"{{ signature }}","k":"{{ key }}","p":"{{ passphrase }}"}}"#,
        ] {
            assert_eq!(problems(text), [], "{text}");
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        for (text, path, message, help) in [
            (
                r#"{"secret":"s","sign":"{{ methd }}","headers":{"X":"{{ signature }}"}}"#,
                "sign",
                "`methd`",
                "did you mean `method`?",
            ),
            (
                r#"{"secret":"s","sign":"{{ body }}","headers":{"X":"{{ signatur }}"}}"#,
                "headers.X",
                "`signatur`",
                "did you mean `signature`?",
            ),
            (
                r#"{"secret":"s","sign":"{{ body }}","query":{"x":"{{ sgnature }}"}}"#,
                "query.x",
                "`sgnature`",
                "did you mean `signature`?",
            ),
            (
                r#"{"secret":"s","sign":"{{ body }}","headers":{"a b":"{{ signature }}"}}"#,
                "headers.a b",
                "a b",
                "",
            ),
            (r#"{"secret":"s","sign":"{{ body }}"}"#, "headers", "never sent", "{{ signature }}"),
            (
                r#"{"secret":"s","sign":"","headers":{"X":"{{ signature }}"}}"#,
                "sign",
                "nothing",
                "{{ timestamp }}",
            ),
            (
                r#"{"secret":"s","sign":"{{ key }}","headers":{"X":"{{ signature }}"}}"#,
                "key",
                "there is no `key`",
                "",
            ),
            (
                r#"{"secret":"s","sign":"x","expires_in":"1m","headers":{"X":"{{ signature }}"}}"#,
                "expires_in",
                "named nowhere",
                "",
            ),
        ] {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            let (at, said, helped) = &found[0];
            assert!(at == path && said.contains(message) && helped.contains(help), "{text}: {found:?}");
        }
    }
}

//! How a component proves who it is, as the pipeline file spells it.
//!
//! Invariant: every variant is externally tagged, so that an error in it keeps its place.

use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::Secret;

/// Credentials of an API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A token, sent as `Authorization: Bearer …`.
    Bearer(Secret),
    /// A static key whose every request is signed with its secret (HMAC-SHA256).
    ApiKey(ApiKey),
    /// `OAuth` client credentials: an access token is fetched from `base_url` + `/oauth/token` and renewed in time.
    #[serde(rename = "oauth")]
    OAuth(OAuth),
    /// The credentials, the signing and the request budget of this source.
    SameAs(String),
}

/// A static key with its signing secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The key, sent as `Authorization: Bearer …`.
    pub key: Secret,
    /// The secret that signs each request; it never leaves this machine.
    pub secret: Secret,
}

/// `OAuth` client credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The client's id, like `b@660e8400-e29b-41d4-a716-446655440003`.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scopes to ask for, separated by spaces; unset: every scope that the client holds.
    #[serde(default)]
    pub scope: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_as_documented() {
        let read = |text: &str| serde_json::from_str::<Auth>(text);
        assert!(matches!(read(r#"{"bearer":"t"}"#).unwrap(), Auth::Bearer(_)));
        assert!(matches!(read(r#"{"api_key":{"key":"k","secret":"s"}}"#).unwrap(), Auth::ApiKey(_)));
        let oauth =
            read(r#"{"oauth":{"client_id":"b@1","client_secret":"s","scope":"updates:read"}}"#).unwrap();
        assert!(matches!(oauth, Auth::OAuth(OAuth { scope: Some(_), .. })));
        assert!(matches!(read(r#"{"same_as":"chat"}"#).unwrap(), Auth::SameAs(_)));
    }

    #[test]
    fn misspelt_keys_are_refused_without_showing_the_secret() {
        for text in [r#"{"barer":"hunter2"}"#, r#"{"api_key":{"key":"hunter2","secrets":"hunter2"}}"#] {
            let error = serde_json::from_str::<Auth>(text).unwrap_err().to_string();
            assert!(error.contains("unknown"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let auth = serde_json::from_str::<Auth>(r#"{"bearer":"hunter2"}"#).unwrap();
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}

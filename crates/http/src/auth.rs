//! How a component proves who it is, as the pipeline file spells it.
//!
//! Invariant: every variant is externally tagged, so that an error in it keeps its place.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Problem, Secret};

use crate::{BaseUrl, HmacTemplate};

/// Credentials of an API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// A token, sent as `Authorization: Bearer …`.
    Bearer(Secret),
    /// A user name and a password, sent as `Authorization: Basic …`.
    Basic(Basic),
    /// A header of any name whose value is the secret.
    Header(Header),
    /// A static key whose every request is signed with its secret (HMAC-SHA256).
    ApiKey(ApiKey),
    /// A request that is signed (HMAC) as a template says, for APIs that each sign in a way of their own.
    Hmac(Box<HmacTemplate>),
    /// `OAuth` client credentials: an access token is fetched from `token_url` (unset: `/oauth/token` of the API) and
    /// renewed in time.
    #[serde(rename = "oauth")]
    OAuth(OAuth),
    /// Nothing is sent; what a sink sends is signed as the Standard Webhooks specification says: headers `webhook-id`,
    /// `webhook-timestamp` and `webhook-signature` (HMAC-SHA256).
    Webhook(Webhook),
    /// The credentials, the signing and the request budget of this source.
    SameAs(String),
}

/// A user name and a password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The user name, without a colon.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A header that is the credential.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The name, like `X-Api-Key`.
    pub name: String,
    /// The value.
    pub value: Secret,
}

/// What signs a webhook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The secret that the receiver shares, like `whsec_…` (base64); it never leaves this machine.
    pub secret: Secret,
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
    /// Where access tokens are fetched; unset: the API's own `/oauth/token`.
    #[serde(default)]
    #[schemars(example = &"https://login.example.com/oauth/token")]
    pub token_url: Option<String>,
}

impl Auth {
    /// What is wrong with the values that the types cannot say, as a sentence for the user.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Basic(basic) if basic.username.contains(':') => {
                Some("a user name of `basic` must not hold a colon (RFC 7617)".to_owned())
            }
            Self::Header(header) => match HeaderName::try_from(&header.name) {
                Ok(_) => None,
                Err(_) => Some(format!("`{}` is not the name of a header", header.name.escape_debug())),
            },
            Self::OAuth(OAuth { token_url: Some(url), .. }) => {
                BaseUrl::parse(url).err().map(|message| format!("`token_url`: {message}"))
            }
            Self::Hmac(template) => {
                let problem = template.problems().into_iter().next()?;
                let help = problem.help.map(|help| format!(" ({help})")).unwrap_or_default();
                Some(format!("`hmac.{}`: {}{help}", problem.path, problem.message))
            }
            _ => None,
        }
    }

    /// The names of the parameters that it adds to a query.
    pub fn parameters(&self) -> Vec<&str> {
        match self {
            Self::Hmac(template) => template.query.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The path of the one value that [`Self::problem`] judges.
    fn judged(&self) -> &'static str {
        match self {
            Self::Basic(_) => "auth.basic.username",
            Self::Header(_) => "auth.header.name",
            Self::OAuth(_) => "auth.oauth.token_url",
            _ => "auth",
        }
    }

    /// All that is wrong with the values, each at its place; paths begin at `auth`.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Hmac(template) => {
                template.problems().into_iter().map(|problem| problem.under("auth.hmac")).collect()
            }
            _ => self.problem().map(|message| Problem::new(self.judged(), message)).into_iter().collect(),
        }
    }
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
        assert!(matches!(read(r#"{"basic":{"username":"u","password":"p"}}"#).unwrap(), Auth::Basic(_)));
        assert!(matches!(read(r#"{"header":{"name":"X-Key","value":"v"}}"#).unwrap(), Auth::Header(_)));
        assert!(matches!(read(r#"{"webhook":{"secret":"whsec_AAAA"}}"#).unwrap(), Auth::Webhook(_)));
    }

    #[test]
    fn names_that_cannot_be_sent_are_named() {
        let problem = |text: &str| serde_json::from_str::<Auth>(text).unwrap().problem();
        assert!(problem(r#"{"header":{"name":"X Key","value":"v"}}"#).unwrap().contains("X Key"));
        assert!(problem(r#"{"basic":{"username":"a:b","password":"p"}}"#).is_some());
        assert!(problem(r#"{"header":{"name":"X-Key","value":"v"}}"#).is_none());
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

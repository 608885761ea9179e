//! Credentials at work: the headers of one attempt, and what a 401 may change.
//!
//! Invariant: every attempt is signed afresh, and a refused attempt is worth one more only if something about the
//! credentials has changed since (a rewritten secret file, a new access token, a corrected clock).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use sluicebox_core::{Error, Result};
use url::Url;

use crate::exchange::{Exchange, unsendable_credential};
use crate::hmac_signer::HmacSigner;
use crate::oauth::OAuthTokens;
use crate::rotating::RotatingSecret;
use crate::signed_key::SignedKey;
use crate::{Answer, Auth, BaseUrl, Request, webhook};

/// The credentials of one client.
pub(crate) enum Credentials {
    /// None: a public API.
    Open,
    Bearer(RotatingSecret),
    Basic {
        username: String,
        password: RotatingSecret,
    },
    Header {
        name: HeaderName,
        value: RotatingSecret,
    },
    ApiKey(SignedKey),
    Hmac(Box<HmacSigner>),
    OAuth(Box<OAuthTokens>),
    Webhook(RotatingSecret),
}

/// What proves who we are in one attempt, and the version of what made it.
pub(crate) struct Authorization {
    pub(crate) headers: HeaderMap,
    /// The address to ask instead, where the proof is a part of it.
    pub(crate) url: Option<Url>,
    pub(crate) version: u64,
}

impl Authorization {
    /// A proof that is in headers only.
    pub(crate) fn of(headers: HeaderMap, version: u64) -> Self {
        Self { headers, url: None, version }
    }
}

impl Credentials {
    pub(crate) fn new(auth: Option<&Auth>, base: &BaseUrl, longest_request: Duration) -> Result<Self> {
        let Some(auth) = auth else { return Ok(Self::Open) };
        if let Some(message) = auth.problem() {
            return Err(Error::config(message));
        }
        Ok(match auth {
            Auth::Bearer(token) => Self::Bearer(RotatingSecret::new(token)),
            Auth::Basic(basic) => Self::Basic {
                username: basic.username.clone(),
                password: RotatingSecret::new(&basic.password),
            },
            Auth::Header(header) => Self::Header {
                name: HeaderName::try_from(&header.name)
                    .map_err(|_| Error::config("the name of a header is not valid"))?,
                value: RotatingSecret::new(&header.value),
            },
            Auth::ApiKey(key) => Self::ApiKey(SignedKey::new(key)),
            Auth::Hmac(template) => Self::Hmac(Box::new(HmacSigner::new(template)?)),
            Auth::OAuth(options) => Self::OAuth(Box::new(OAuthTokens::new(options, base, longest_request)?)),
            Auth::Webhook(webhook) => Self::Webhook(RotatingSecret::new(&webhook.secret)),
            Auth::SameAs(source) => {
                return Err(Error::config(format!("`same_as: {source}` has no credentials of its own"))
                    .with_help("name a source that has its own `auth`"));
            }
        })
    }

    /// The headers for one attempt at `request`, made now.
    pub(crate) async fn authorize(&self, request: &Request, exchange: &Exchange) -> Result<Authorization> {
        let now = || exchange.environment.clock.now();
        match self {
            Self::Open => Ok(Authorization::of(HeaderMap::new(), 0)),
            Self::Bearer(token) => {
                let (token, version) = token.current();
                Ok(Authorization::of(bearer(&token, "token")?, version))
            }
            Self::Basic { username, password } => {
                let (password, version) = password.current();
                let value = basic(username, &password);
                Ok(Authorization::of(sensitive(AUTHORIZATION, &value, "password")?, version))
            }
            Self::Header { name, value } => {
                let (value, version) = value.current();
                let headers = sensitive(name.clone(), &value, "value of the header")?;
                Ok(Authorization::of(headers, version))
            }
            Self::ApiKey(key) => key.authorize(request, now()),
            Self::Hmac(signer) => signer.authorize(request, &exchange.environment),
            Self::OAuth(tokens) => {
                let token = tokens.token(None, exchange).await?;
                Ok(Authorization::of(bearer(&token.text, "access token")?, token.number))
            }
            Self::Webhook(secret) => {
                let (secret, version) = secret.current();
                Ok(Authorization::of(webhook::headers(&secret, request, now())?, version))
            }
        }
    }

    /// After a 401: whether another attempt is worth it.
    ///
    /// # Errors
    /// Of the token endpoint.
    pub(crate) async fn renew(&self, version: u64, answer: &Answer, exchange: &Exchange) -> Result<bool> {
        match self {
            Self::Open => Ok(false),
            Self::Bearer(secret)
            | Self::Basic { password: secret, .. }
            | Self::Header { value: secret, .. }
            | Self::Webhook(secret) => Ok(secret.renewed_since(version).await),
            Self::ApiKey(key) => Ok(key.renewed_since(version).await || key.clock.correct(answer)),
            Self::Hmac(signer) => Ok(signer.renewed_since(version).await || signer.clock.correct(answer)),
            Self::OAuth(tokens) => {
                tracing::info!("an access token was refused; fetching a new one");
                tokens.token(Some(version), exchange).await.map(|_| true)
            }
        }
    }

    /// After the last 401 of a signed request: how far the clocks are apart, if that is worth naming.
    pub(crate) fn clock_skew_seconds(&self, answer: &Answer) -> Option<i64> {
        match self {
            Self::ApiKey(key) => key.clock.skew_seconds(answer),
            Self::Hmac(signer) => signer.clock.skew_seconds(answer),
            _ => None,
        }
    }

    /// The address without the parameters that are added to a query.
    pub(crate) fn cut(&self, address: &str) -> String {
        match self {
            Self::Hmac(signer) => signer.cut(address),
            _ => address.to_owned(),
        }
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        match self {
            Self::Open => Vec::new(),
            Self::Bearer(secret) | Self::Header { value: secret, .. } | Self::Webhook(secret) => {
                vec![secret.current().0]
            }
            Self::Basic { username, password } => {
                let password = password.current().0;
                vec![encoded(username, &password).into(), password]
            }
            Self::ApiKey(key) => key.secrets(),
            Self::Hmac(signer) => signer.secrets(),
            Self::OAuth(tokens) => tokens.secrets(),
        }
    }
}

pub(crate) fn bearer(token: &str, what: &str) -> Result<HeaderMap> {
    sensitive(AUTHORIZATION, &format!("Bearer {token}"), what)
}

/// RFC 7617, with the charset that it recommends.
fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", encoded(username, password))
}

fn encoded(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}"))
}

fn sensitive(name: HeaderName, value: &str, what: &str) -> Result<HeaderMap> {
    let mut value = HeaderValue::try_from(value).map_err(|_| unsendable_credential(what))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}

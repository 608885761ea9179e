//! Credentials at work: the headers of one attempt, and what a 401 may change.
//!
//! Invariant: every attempt is signed afresh, and a refused attempt is worth one more only if something about the
//! credentials has changed since (a rewritten secret file, a new access token, a corrected clock).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use sluicebox_core::{Error, Result, Timestamp};
use url::Url;

use crate::exchange::{Exchange, unsendable_credential};
use crate::oauth::OAuthTokens;
use crate::retry_after::server_time;
use crate::rotating::RotatingSecret;
use crate::signing::{path_and_query, sign};
use crate::{Answer, ApiKey, Auth, BaseUrl};

/// Clocks that differ by less than this are not the reason for a refusal (the server allows five minutes).
const TOLERATED_SKEW_MILLISECONDS: i64 = 60_000;

/// The credentials of one client.
pub(crate) enum Credentials {
    /// None: a public API.
    Open,
    Bearer(RotatingSecret),
    ApiKey(SignedKey),
    OAuth(Box<OAuthTokens>),
}

/// A static key with its signing secret and what is known of the server's clock.
pub(crate) struct SignedKey {
    key: RotatingSecret,
    secret: RotatingSecret,
    /// The server's clock minus ours, as far as it was needed.
    skew_milliseconds: AtomicI64,
}

/// The headers of one attempt and the version of what made them.
pub(crate) struct Authorization {
    pub(crate) headers: HeaderMap,
    pub(crate) version: u64,
}

impl Credentials {
    pub(crate) fn new(auth: Option<&Auth>, base: &BaseUrl, longest_request: Duration) -> Result<Self> {
        Ok(match auth {
            None => Self::Open,
            Some(Auth::Bearer(token)) => Self::Bearer(RotatingSecret::new(token)),
            Some(Auth::ApiKey(ApiKey { key, secret })) => Self::ApiKey(SignedKey {
                key: RotatingSecret::new(key),
                secret: RotatingSecret::new(secret),
                skew_milliseconds: AtomicI64::new(0),
            }),
            Some(Auth::OAuth(options)) => {
                let endpoint = base.resolve("/oauth/token")?;
                Self::OAuth(Box::new(OAuthTokens::new(options, endpoint, longest_request)))
            }
            Some(Auth::SameAs(source)) => {
                return Err(Error::config(format!("`same_as: {source}` has no credentials of its own"))
                    .with_help("name a source that has its own `auth`"));
            }
        })
    }

    /// The headers for one attempt at `url`, made now.
    pub(crate) async fn authorize(&self, url: &Url, exchange: &Exchange) -> Result<Authorization> {
        match self {
            Self::Open => Ok(Authorization { headers: HeaderMap::new(), version: 0 }),
            Self::Bearer(token) => {
                let (token, version) = token.current();
                Ok(Authorization { headers: bearer(&token, "token")?, version })
            }
            Self::ApiKey(key) => key.authorize(url, exchange.environment.clock.now()),
            Self::OAuth(tokens) => {
                let token = tokens.token(None, exchange).await?;
                Ok(Authorization { headers: bearer(&token.text, "access token")?, version: token.number })
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
            Self::Bearer(token) => Ok(token.renewed_since(version).await),
            Self::ApiKey(key) => Ok(key.renewed_since(version).await || key.correct_clock(answer)),
            Self::OAuth(tokens) => {
                tracing::info!("an access token was refused; fetching a new one");
                tokens.token(Some(version), exchange).await.map(|_| true)
            }
        }
    }

    /// After the last 401 of a signed request: how far the clocks are apart, if that is worth naming.
    pub(crate) fn clock_skew_seconds(&self, answer: &Answer) -> Option<i64> {
        let Self::ApiKey(key) = self else { return None };
        let skew = measured_skew(answer)?;
        // A correction that did not help is forgotten: the next refusal measures again.
        key.skew_milliseconds.store(0, Ordering::Relaxed);
        (skew.abs() > TOLERATED_SKEW_MILLISECONDS).then_some(skew / 1000)
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        match self {
            Self::Open => Vec::new(),
            Self::Bearer(token) => vec![token.current().0],
            Self::ApiKey(key) => vec![key.key.current().0, key.secret.current().0],
            Self::OAuth(tokens) => tokens.secrets(),
        }
    }
}

impl SignedKey {
    fn authorize(&self, url: &Url, now: Timestamp) -> Result<Authorization> {
        let (key, key_version) = self.key.current();
        let (secret, secret_version) = self.secret.current();
        let skew = self.skew_milliseconds.load(Ordering::Relaxed);
        let time = Timestamp::from_millis(now.as_millis().saturating_add(skew));
        let mut headers = bearer(&key, "key")?;
        headers.insert(HeaderName::from_static("x-timestamp"), HeaderValue::from(time.as_millis()));
        let signature = HeaderValue::try_from(sign(&secret, time, path_and_query(url)))
            .map_err(|_| unsendable_credential("signature"))?;
        headers.insert(HeaderName::from_static("x-signature"), signature);
        Ok(Authorization { headers, version: key_version + secret_version })
    }

    async fn renewed_since(&self, version: u64) -> bool {
        // Versions only grow, so their sum tells whether either has changed.
        self.key.read_again().await + self.secret.read_again().await > version
    }

    /// Takes over the server's clock if ours, as corrected so far, is too far from it to be believed.
    fn correct_clock(&self, answer: &Answer) -> bool {
        let Some(skew) = measured_skew(answer) else { return false };
        let applied = self.skew_milliseconds.load(Ordering::Relaxed);
        if (skew - applied).abs() <= TOLERATED_SKEW_MILLISECONDS {
            return false;
        }
        self.skew_milliseconds.store(skew, Ordering::Relaxed);
        tracing::warn!(
            skew_seconds = skew / 1000,
            "this machine's clock differs from the server's; requests are signed with the server's time"
        );
        true
    }
}

/// The server's clock minus ours, in milliseconds; `Date` has a resolution of one second.
fn measured_skew(answer: &Answer) -> Option<i64> {
    server_time(&answer.headers).map(|server| server.as_millis() - answer.received.as_millis())
}

fn bearer(token: &str, what: &str) -> Result<HeaderMap> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unsendable_credential(what))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

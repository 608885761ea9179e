//! `OAuth` access tokens by client credentials (RFC 6749, section 4.4): fetched once for all, renewed before they lapse.
//!
//! Source: the Zenzap contract, section 2b. Invariant: one fetch at a time, and those who waited for it share its
//! outcome, a failure included. Tokens live in memory only.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use sluicebox_core::{Error, ErrorClass, Result};
use url::Url;

use crate::exchange::Exchange;
use crate::failure::Named;
use crate::rotating::RotatingSecret;
use crate::{Answer, BaseUrl, Limits, OAuth, Request};

/// What a token is trusted for if the server does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);
/// A token is renewed at least this long before it lapses.
const LEAST_MARGIN: Duration = Duration::from_secs(60);

/// An access token with its serial number.
#[derive(Clone)]
pub(crate) struct AccessToken {
    pub(crate) text: Arc<str>,
    pub(crate) number: u64,
    renew_at: Duration,
}

/// The tokens of one client.
pub(crate) struct OAuthTokens {
    base: BaseUrl,
    endpoint: Url,
    client_id: String,
    client_secret: RotatingSecret,
    scope: Option<String>,
    /// Longest time that one request with a token may be held.
    longest_request: Duration,
    gate: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    fetches: u64,
    failure: Option<Failure>,
}

/// The parts of an error that those who waited for the same fetch are given.
#[derive(Clone)]
struct Failure {
    class: ErrorClass,
    message: String,
    after: Option<Duration>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
}

impl OAuthTokens {
    /// Tokens of the endpoint that the options name, or else of the one below `base`.
    ///
    /// # Errors
    /// `Config` if the options name no usable address.
    pub(crate) fn new(options: &OAuth, base: &BaseUrl, longest_request: Duration) -> Result<Self> {
        let (base, target) = match &options.token_url {
            Some(url) => (BaseUrl::parse(url).map_err(Error::config)?, ""),
            None => (base.clone(), "/oauth/token"),
        };
        Ok(Self {
            endpoint: base.resolve(target)?,
            base,
            client_id: options.client_id.clone(),
            client_secret: RotatingSecret::new(&options.client_secret),
            scope: options.scope.clone(),
            longest_request,
            gate: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        })
    }

    /// A token that is good for a whole request, and is not the one with the number `refused`.
    pub(crate) async fn token(&self, refused: Option<u64>, exchange: &Exchange) -> Result<AccessToken> {
        let usable = || {
            let state = self.state.lock();
            let fits = |token: &&AccessToken| {
                refused != Some(token.number) && token.renew_at > exchange.environment.clock.elapsed()
            };
            (state.token.as_ref().filter(fits).cloned(), state.fetches)
        };
        let (token, fetches_before) = usable();
        if let Some(token) = token {
            return Ok(token);
        }
        let _gate = self.gate.lock().await;
        let (token, fetches_now) = usable();
        if let Some(token) = token {
            return Ok(token);
        }
        let failure = self.state.lock().failure.clone();
        if let Some(failure) = failure.filter(|_| fetches_now > fetches_before) {
            return Err(failure.into());
        }
        let outcome = self.fetch(exchange).await;
        self.remember(outcome)
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        let token = self.state.lock().token.as_ref().map(|token| Arc::clone(&token.text));
        token.into_iter().chain([self.client_secret.current().0]).collect()
    }

    fn remember(&self, outcome: Result<(String, Duration)>) -> Result<AccessToken> {
        let mut state = self.state.lock();
        state.fetches += 1;
        match outcome {
            Ok((text, renew_at)) => {
                let token = AccessToken { text: text.into(), number: state.fetches, renew_at };
                state.failure = None;
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                let (class, after) = (error.class(), error.retry_after());
                state.failure = Some(Failure { class, message: error.to_string(), after });
                Err(error)
            }
        }
    }

    async fn fetch(&self, exchange: &Exchange) -> Result<(String, Duration)> {
        let (secret, version) = self.client_secret.current();
        let mut answer = self.ask(&secret, exchange).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.client_secret.renewed_since(version).await {
            answer = self.ask(&self.client_secret.current().0, exchange).await?;
        }
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| {
            Error::transient("the token endpoint answered with something that holds no token")
        })?;
        let life = granted.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let renew_at = exchange.environment.clock.elapsed() + self.usable_for(life.unwrap_or(DEFAULT_LIFE));
        tracing::debug!("an access token was fetched");
        Ok((granted.access_token, renew_at))
    }

    /// How long a token may be handed out: until a request begun with it might outlive it, but at least half its life,
    /// so that short lives do not mean a fetch for every request.
    fn usable_for(&self, life: Duration) -> Duration {
        life.saturating_sub(self.longest_request.max(LEAST_MARGIN)).max(life / 2)
    }

    fn form(&self, secret: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &self.client_id);
        form.append_pair("client_secret", secret);
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    async fn ask(&self, secret: &str, exchange: &Exchange) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = self.form(secret).into();
        let request = Request { method: Method::POST, url: self.endpoint.clone(), headers, body };
        // One token more does no harm: a lost answer is like any other failure.
        let named = Named::new(&request.method, &request.url, self.base.shown(&request.url)).harmless();
        exchange.send(request, &named, &Limits { body_bytes: 1 << 20, ..Limits::default() }).await
    }
}

fn refusal(answer: &Answer) -> Error {
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    // Only the words that the specification knows are repeated: the rest of the body may echo the secret.
    let known =
        ["invalid_request", "unsupported_grant_type", "invalid_scope", "invalid_grant", "invalid_client"];
    let word = known.iter().find(|word| **word == refused.error).map(|word| format!(" ({word})"));
    let word = word.unwrap_or_default();
    let status = answer.status.as_u16();
    match status {
        400 => Error::config(format!("the token endpoint refused the request{word}"))
            .with_help("check `client_id`, and that the client holds every scope that `scope` asks for"),
        401 | 403 => Error::auth(format!("the token endpoint refused the client's credentials{word}"))
            .with_help("check `client_id` and `client_secret`; the secret may have been rotated"),
        404 => Error::config("there is no token endpoint at this address").with_help("check `base_url`"),
        429 => Error::rate_limited("the token endpoint asks to wait (status 429)", answer.retry_after()),
        500.. => {
            let failed = Error::transient(format!("the token endpoint failed (status {status})"));
            answer.retry_after().into_iter().fold(failed, Error::with_retry_after)
        }
        _ => Error::config(format!("the token endpoint answered with status {status}{word}")),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.class, failure.message);
        failure.after.into_iter().fold(error, Self::with_retry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicebox_core::Secret;

    #[test]
    fn a_token_is_renewed_before_a_held_request_could_outlive_it() {
        let (client_id, client_secret) = ("b@1".to_owned(), Secret::new("s"));
        let options = OAuth { client_id, client_secret, scope: None, token_url: None };
        let base = BaseUrl::parse("https://api.zenzap.co").unwrap();
        let tokens = |held| OAuthTokens::new(&options, &base, Duration::from_secs(held)).unwrap();
        let usable = |held, life| tokens(held).usable_for(Duration::from_secs(life)).as_secs();
        assert_eq!(usable(35, 3600), 3540);
        assert_eq!(usable(75, 3600), 3525);
        assert_eq!(usable(35, 30), 15);
        assert_eq!(usable(35, 0), 0);
    }
}

//! A static key whose every request is signed, by the server's clock where ours is wrong.
//!
//! Source: the Zenzap contract, section 2a. Invariant: every attempt has a new timestamp and a new signature.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use sluicebox_core::{Result, Timestamp};

use crate::credentials::{Authorization, bearer};
use crate::exchange::unsendable_credential;
use crate::rotating::RotatingSecret;
use crate::server_clock::ServerClock;
use crate::signing::{sign, signed_content};
use crate::{ApiKey, Request};

/// A static key with its signing secret and what is known of the server's clock.
pub(crate) struct SignedKey {
    key: RotatingSecret,
    secret: RotatingSecret,
    pub(crate) clock: ServerClock,
}

impl SignedKey {
    pub(crate) fn new(key: &ApiKey) -> Self {
        Self {
            key: RotatingSecret::new(&key.key),
            secret: RotatingSecret::new(&key.secret),
            clock: ServerClock::default(),
        }
    }

    /// The headers for one attempt.
    pub(crate) fn authorize(&self, request: &Request, now: Timestamp) -> Result<Authorization> {
        let (key, key_version) = self.key.current();
        let (secret, secret_version) = self.secret.current();
        let time = self.clock.corrected(now);
        let mut headers = bearer(&key, "key")?;
        headers.insert(HeaderName::from_static("x-timestamp"), HeaderValue::from(time.as_millis()));
        let signature = HeaderValue::try_from(sign(&secret, time, signed_content(request)))
            .map_err(|_| unsendable_credential("signature"))?;
        headers.insert(HeaderName::from_static("x-signature"), signature);
        Ok(Authorization::of(headers, key_version + secret_version))
    }

    /// Reads both files again and says whether either secret has changed since `version`.
    pub(crate) async fn renewed_since(&self, version: u64) -> bool {
        // Versions only grow, so their sum tells whether either has changed.
        self.key.read_again().await + self.secret.read_again().await > version
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        vec![self.key.current().0, self.secret.current().0]
    }
}

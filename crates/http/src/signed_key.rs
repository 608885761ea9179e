//! A static key whose every request is signed, by the server's clock where ours is wrong.
//!
//! Source: the Zenzap contract, section 2a. Invariant: every attempt has a new timestamp and a new signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderName, HeaderValue};
use sluicebox_core::{Result, Timestamp};

use crate::credentials::{Authorization, bearer};
use crate::exchange::unsendable_credential;
use crate::retry_after::server_time;
use crate::rotating::RotatingSecret;
use crate::signing::{sign, signed_content};
use crate::{Answer, ApiKey, Request};

/// Clocks that differ by less than this are not the reason for a refusal (the server allows five minutes).
const TOLERATED_SKEW_MILLISECONDS: i64 = 60_000;

/// A static key with its signing secret and what is known of the server's clock.
pub(crate) struct SignedKey {
    key: RotatingSecret,
    secret: RotatingSecret,
    /// The server's clock minus ours, as far as it was needed.
    skew_milliseconds: AtomicI64,
}

impl SignedKey {
    pub(crate) fn new(key: &ApiKey) -> Self {
        Self {
            key: RotatingSecret::new(&key.key),
            secret: RotatingSecret::new(&key.secret),
            skew_milliseconds: AtomicI64::new(0),
        }
    }

    /// The headers for one attempt.
    pub(crate) fn authorize(&self, request: &Request, now: Timestamp) -> Result<Authorization> {
        let (key, key_version) = self.key.current();
        let (secret, secret_version) = self.secret.current();
        let skew = self.skew_milliseconds.load(Ordering::Relaxed);
        let time = Timestamp::from_millis(now.as_millis().saturating_add(skew));
        let mut headers = bearer(&key, "key")?;
        headers.insert(HeaderName::from_static("x-timestamp"), HeaderValue::from(time.as_millis()));
        let signature = HeaderValue::try_from(sign(&secret, time, signed_content(request)))
            .map_err(|_| unsendable_credential("signature"))?;
        headers.insert(HeaderName::from_static("x-signature"), signature);
        Ok(Authorization { headers, version: key_version + secret_version })
    }

    /// Reads both files again and says whether either secret has changed since `version`.
    pub(crate) async fn renewed_since(&self, version: u64) -> bool {
        // Versions only grow, so their sum tells whether either has changed.
        self.key.read_again().await + self.secret.read_again().await > version
    }

    /// Takes over the server's clock if ours, as corrected so far, is too far from it to be believed.
    pub(crate) fn correct_clock(&self, answer: &Answer) -> bool {
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

    /// After the last refusal: how far the clocks are apart, if that is worth naming.
    pub(crate) fn clock_skew_seconds(&self, answer: &Answer) -> Option<i64> {
        let skew = measured_skew(answer)?;
        // A correction that did not help is forgotten: the next refusal measures again.
        self.skew_milliseconds.store(0, Ordering::Relaxed);
        (skew.abs() > TOLERATED_SKEW_MILLISECONDS).then_some(skew / 1000)
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        vec![self.key.current().0, self.secret.current().0]
    }
}

/// The server's clock minus ours, in milliseconds; `Date` has a resolution of one second.
fn measured_skew(answer: &Answer) -> Option<i64> {
    server_time(&answer.headers).map(|server| server.as_millis() - answer.received.as_millis())
}

//! Outgoing webhooks, signed as the Standard Webhooks specification says: HMAC-SHA256 over `{id}.{seconds}.{body}`.
//!
//! Invariant: the id is the caller's and stays the same however often a request is sent again, so that the receiver
//! can tell a repetition; timestamp and signature are of each attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use sluicebox_core::{Error, Result, Timestamp};

use crate::Request;
use crate::exchange::unsendable_credential;

/// The header with the id of the message, which the caller gives.
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// How secrets begin that are written out in full; the rest is the key in base64.
const SECRET_PREFIX: &str = "whsec_";

/// Timestamp and signature of one attempt.
///
/// # Errors
/// `Config` if the secret is not base64; `Permanent` if the request has no id.
pub(crate) fn headers(secret: &str, request: &Request, now: Timestamp) -> Result<HeaderMap> {
    let id = request.headers.get(ID).ok_or_else(|| {
        Error::permanent("a signed webhook needs the header `webhook-id`, and this request has none")
    })?;
    let text = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    let key = STANDARD.decode(text).map_err(|_| {
        Error::config("the secret of `webhook` is not base64")
            .with_help("copy it from the receiver as it is, like `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`")
    })?;
    let seconds = now.as_millis().div_euclid(1000);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length (RFC 2104)");
    for part in [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", &request.body] {
        mac.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let signature = HeaderValue::try_from(signature).map_err(|_| unsendable_credential("signature"))?;
    Ok(HeaderMap::from_iter([(TIMESTAMP, HeaderValue::from(seconds)), (SIGNATURE, signature)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn request(id: Option<&'static str>) -> Request {
        let id = id.map(|id| (ID, HeaderValue::from_static(id)));
        Request {
            method: Method::POST,
            url: "https://h.example/hook".parse().unwrap(),
            headers: HeaderMap::from_iter(id),
            body: r#"{"test": 2432232314}"#.into(),
        }
    }

    #[test]
    fn the_signature_equals_the_vector_of_the_specification() {
        let now = Timestamp::from_millis(1_614_265_330_999);
        let request = request(Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
        for secret in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let made = headers(secret, &request, now).unwrap();
            assert_eq!(made[TIMESTAMP], "1614265330");
            assert_eq!(made[SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        }
    }

    #[test]
    fn what_cannot_be_signed_is_refused_without_showing_the_secret() {
        let error = headers("whsec_hunter2!", &request(Some("1")), Timestamp::default()).unwrap_err();
        assert!(!error.chain().contains("hunter2") && error.help().is_some(), "{error}");
        assert!(headers("whsec_AAAA", &request(None), Timestamp::default()).is_err());
    }
}

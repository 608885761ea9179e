//! Verifies a request: the signature over its raw bytes in constant time, and the age of it.
//!
//! Invariant: a request passes only if one of the secrets made one of its signatures, and the time that it signs is at
//! most five minutes from ours. What is returned identifies the signed content, so that a replay can be told.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use sluicebox_core::{Secret, Timestamp};

use crate::Scheme;

/// How far the time of a signature may be from ours, both ways.
const TOLERANCE_MILLISECONDS: u64 = 5 * 60 * 1000;

/// Why a request does not pass. It is told to the sender too, so it says nothing of the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This header is not there.
    Missing(&'static str),
    /// The signature is not written as the scheme has it.
    Malformed,
    /// The signed time is further away than the tolerance.
    Stale,
    /// None of the secrets made it.
    Wrong,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(header) => write!(f, "the header {header} is missing"),
            Self::Malformed => f.write_str("the signature is malformed"),
            Self::Stale => f.write_str("the signature is more than five minutes from the time here"),
            Self::Wrong => f.write_str("the signature does not match"),
        }
    }
}

/// A scheme and its keys.
pub struct Verifier {
    scheme: Scheme,
    keys: Vec<Hmac<Sha256>>,
}

/// SHA-256 of everything that was signed, of schemes that sign a time: two requests with the same one are one message.
pub(crate) type Content = [u8; 32];

impl Verifier {
    /// A verifier with several secrets, any of which will do.
    ///
    /// # Errors
    /// The index of the first secret that cannot be one of this scheme, and why.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, (usize, &'static str)> {
        let key = |(index, secret)| {
            let key = scheme.key(secret).map_err(|why| (index, why))?;
            Ok(Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length (RFC 2104)"))
        };
        Ok(Self { scheme, keys: secrets.iter().enumerate().map(key).collect::<Result<_, _>>()? })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Judges a request by its headers and the raw (decompressed) bytes of its body.
    ///
    /// # Errors
    /// Why it does not pass.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Content>, Refusal> {
        let claim = self.scheme.claim(headers)?;
        let passes = self.keys.iter().any(|key| {
            let mac = key.clone().chain_update(&claim.prefix).chain_update(body);
            // `verify_slice` compares in constant time.
            claim.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
        });
        if !passes {
            return Err(Refusal::Wrong);
        }
        let Some(time) = claim.time else { return Ok(None) };
        if time.as_millis().abs_diff(now.as_millis()) > TOLERANCE_MILLISECONDS {
            return Err(Refusal::Stale);
        }
        let signed = Sha256::new().chain_update(&claim.prefix).chain_update(body).finalize();
        Ok(Some(signed.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(header).collect()
    }

    /// Scheme, secret, headers, body, the second at which it was signed.
    type Vector = (Scheme, &'static str, Vec<(&'static str, &'static str)>, &'static str, i64);

    /// Vectors of the contracts and of the vendors' pages; Stripe's was computed with two independent tools.
    fn vectors() -> Vec<Vector> {
        vec![
            (
                Scheme::Standard,
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                vec![
                    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                    ("webhook-timestamp", "1614265330"),
                    ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v2,x"),
                ],
                r#"{"test": 2432232314}"#,
                1_614_265_330,
            ),
            (
                Scheme::Stripe,
                "whsec_stripe",
                vec![(
                    "stripe-signature",
                    "t=1781258400,v0=00,v1=a53b7d30f45208fe69a2c30450690674d96d00165e1c126434e257a22bd9423a",
                )],
                r#"{"id":"evt_1","type":"invoice.paid","created":1781258399}"#,
                1_781_258_400,
            ),
            (
                Scheme::Github,
                "It's a Secret to Everybody",
                vec![(
                    "x-hub-signature-256",
                    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                )],
                "Hello, World!",
                0,
            ),
            (
                Scheme::Opentrain,
                "whsec_test",
                vec![(
                    "x-opentrain-signature",
                    "t=1781258400,v1=eb7d367c9c1637538714182729907bc8de72f0cdc4ba85b92bc9612d1cc4bc8e",
                )],
                r#"{"id":"1042","type":"proposal.received"}"#,
                1_781_258_400,
            ),
            (
                Scheme::Zenzap,
                "test-secret",
                vec![
                    (
                        "x-zenzap-signature",
                        "7a0cb10722ea6e0555047e9b1a6bcb579fe4a4cf5ea6e14ecdaf88bae36ccddc",
                    ),
                    ("x-zenzap-timestamp", "1699564800000"),
                ],
                r#"{"topicId":"123","text":"Hello"}"#,
                1_699_564_800,
            ),
        ]
    }

    #[test]
    fn the_vectors_of_contracts_and_vendors_pass_with_any_of_several_secrets() {
        for (scheme, secret, lines, body, seconds) in vectors() {
            let other = Secret::new("whsec_b3RoZXI=");
            let verifier = Verifier::new(scheme, &[other.clone(), Secret::new(secret)]).unwrap();
            let now = Timestamp::from_millis(seconds * 1000);
            let verdict = verifier.verify(&headers(&lines), body.as_bytes(), now);
            assert_eq!(verdict.map(|content| content.is_some()), Ok(scheme != Scheme::Github), "{scheme:?}");
            let without = Verifier::new(scheme, &[other]).unwrap();
            assert_eq!(
                without.verify(&headers(&lines), body.as_bytes(), now),
                Err(Refusal::Wrong),
                "{scheme:?}"
            );
        }
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        for (scheme, secret, lines, body, seconds) in vectors() {
            let verifier = Verifier::new(scheme, &[Secret::new(secret)]).unwrap();
            let now = Timestamp::from_millis(seconds * 1000);
            for at in 0..body.len() {
                let mut changed = body.as_bytes().to_vec();
                changed[at] ^= 1;
                let verdict = verifier.verify(&headers(&lines), &changed, now);
                assert_eq!(verdict, Err(Refusal::Wrong), "{scheme:?} byte {at}");
            }
            assert!(verifier.verify(&headers(&lines[1..]), body.as_bytes(), now).is_err());
            assert!(verifier.verify(&headers(&[]), body.as_bytes(), now).is_err());
        }
    }

    #[test]
    fn five_minutes_either_way_are_the_limit() {
        for (scheme, secret, lines, body, seconds) in vectors() {
            let verifier = Verifier::new(scheme, &[Secret::new(secret)]).unwrap();
            let at = |offset: i64| {
                let now = Timestamp::from_millis(seconds * 1000 + offset);
                verifier.verify(&headers(&lines), body.as_bytes(), now).map(|_| ())
            };
            let beyond = if scheme == Scheme::Github { Ok(()) } else { Err(Refusal::Stale) };
            assert_eq!((at(300_000), at(-300_000)), (Ok(()), Ok(())), "{scheme:?}");
            assert_eq!((at(300_001), at(-300_001)), (beyond, beyond), "{scheme:?}");
        }
    }

    #[test]
    fn odd_headers_are_refused_and_never_break_anything() {
        let verifier = Verifier::new(Scheme::Stripe, &[Secret::new("x")]).unwrap();
        for odd in ["", "t=", "t=a,v1=b", "v1=00", "t=99999999999999999999,v1=00", "t=1,v1=é", "=,=,="] {
            let value = HeaderValue::from_bytes(odd.as_bytes()).unwrap();
            let headers = [(HeaderName::from_static("stripe-signature"), value)].into_iter().collect();
            assert!(verifier.verify(&headers, b"{}", Timestamp::from_millis(0)).is_err(), "{odd}");
        }
    }

    #[test]
    fn secrets_that_cannot_be_any_are_named() {
        let secrets = [Secret::new("whsec_AAAA"), Secret::new("whsec_!")];
        assert_eq!(Verifier::new(Scheme::Standard, &secrets).err().map(|(index, _)| index), Some(1));
        assert!(Verifier::new(Scheme::Github, &[Secret::new("")]).is_err());
    }
}

//! Which part of a request is signed, and where its signatures stand: one rule for each family of senders.
//!
//! Sources: the Standard Webhooks specification 1.0; Stripe, "Verify webhook signatures manually"; GitHub, "Validating
//! webhook deliveries"; the OpenTrain contract, section 10; the Zenzap contract, section 10. Invariant: nothing is
//! verified here, so nothing here may be trusted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{Secret, Timestamp};

use crate::Refusal;

/// How the sender signs. Every scheme is HMAC-SHA256 over the raw bytes of the body; all but GitHub's sign a time too,
/// which may differ from ours by five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Standard Webhooks and Svix: `webhook-id`, `webhook-timestamp` and `webhook-signature` (or `svix-…`).
    Standard,
    /// Stripe: `Stripe-Signature`.
    Stripe,
    /// GitHub: `X-Hub-Signature-256`. It signs no time and no id of the delivery.
    Github,
    /// OpenTrain: `X-OpenTrain-Signature`.
    Opentrain,
    /// Zenzap: `X-Zenzap-Signature` and `X-Zenzap-Timestamp`.
    Zenzap,
}

/// What a request claims.
pub(crate) struct Claim {
    /// What is signed in front of the body.
    pub(crate) prefix: Vec<u8>,
    /// Any of these will do: senders sign with the old and the new secret while one replaces the other.
    pub(crate) signatures: Vec<Vec<u8>>,
    /// When it says that it was signed.
    pub(crate) time: Option<Timestamp>,
}

/// More signatures than any sender gives; the rest is not looked at.
const MOST_SIGNATURES: usize = 8;

impl Scheme {
    /// The key of a secret.
    ///
    /// # Errors
    /// A clause on what the secret is not.
    pub(crate) fn key(self, secret: &Secret) -> Result<Vec<u8>, &'static str> {
        let text = secret.expose();
        if text.is_empty() {
            return Err("the secret is empty");
        }
        if self != Self::Standard {
            return Ok(text.as_bytes().to_vec());
        }
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        STANDARD
            .decode(encoded)
            .map_err(|_| "the secret is not `whsec_` and base64, as Standard Webhooks has it")
    }

    /// Reads the headers.
    pub(crate) fn claim(self, headers: &HeaderMap) -> Result<Claim, Refusal> {
        match self {
            Self::Standard => standard(headers),
            Self::Stripe => dated(headers, "stripe-signature"),
            Self::Opentrain => dated(headers, "x-opentrain-signature"),
            Self::Github => {
                let given = required(headers, "x-hub-signature-256")?;
                let signature = given.strip_prefix("sha256=").and_then(hex).ok_or(Refusal::Malformed)?;
                Ok(Claim { prefix: Vec::new(), signatures: vec![signature], time: None })
            }
            Self::Zenzap => {
                let signature = hex(required(headers, "x-zenzap-signature")?).ok_or(Refusal::Malformed)?;
                let time = required(headers, "x-zenzap-timestamp")?;
                let milliseconds = time.parse().map_err(|_| Refusal::Malformed)?;
                Ok(Claim {
                    prefix: format!("{time}.").into_bytes(),
                    signatures: vec![signature],
                    time: Some(Timestamp::from_millis(milliseconds)),
                })
            }
        }
    }
}

/// A header as text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

fn required<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Refusal> {
    header(headers, name).ok_or(Refusal::Missing(name))
}

/// The header of Standard Webhooks under its own or Svix's name.
pub(crate) fn standard_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    header(headers, &format!("webhook-{name}")).or_else(|| header(headers, &format!("svix-{name}")))
}

fn standard(headers: &HeaderMap) -> Result<Claim, Refusal> {
    let id = standard_header(headers, "id").ok_or(Refusal::Missing("webhook-id"))?;
    let time = standard_header(headers, "timestamp").ok_or(Refusal::Missing("webhook-timestamp"))?;
    let given = standard_header(headers, "signature").ok_or(Refusal::Missing("webhook-signature"))?;
    let versions = given.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let signatures = versions.filter_map(|text| STANDARD.decode(text).ok()).take(MOST_SIGNATURES).collect();
    let time_signed = seconds(time).ok_or(Refusal::Malformed)?;
    Ok(Claim { prefix: format!("{id}.{time}.").into_bytes(), signatures, time: Some(time_signed) })
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>…]`, as Stripe and OpenTrain write it.
fn dated(headers: &HeaderMap, name: &'static str) -> Result<Claim, Refusal> {
    let parts: Vec<_> =
        required(headers, name)?.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let time = parts.iter().find(|(key, _)| *key == "t").map(|(_, text)| *text).ok_or(Refusal::Malformed)?;
    let versions = parts.iter().filter(|(key, _)| *key == "v1");
    let signatures = versions.filter_map(|(_, text)| hex(text)).take(MOST_SIGNATURES).collect();
    let time_signed = seconds(time).ok_or(Refusal::Malformed)?;
    Ok(Claim { prefix: format!("{time}.").into_bytes(), signatures, time: Some(time_signed) })
}

fn seconds(text: &str) -> Option<Timestamp> {
    Some(Timestamp::from_millis(text.parse::<i64>().ok()?.checked_mul(1000)?))
}

/// The 32 bytes of 64 hex digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

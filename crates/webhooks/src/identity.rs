//! What a verified delivery says of itself: its id, its type, its time.
//!
//! Invariant: a delivery that is sent again has the id that it had; what names no id is known by its content.

use http::HeaderMap;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sluicebox_core::{Timestamp, object_fields};
use smol_str::{SmolStr, format_smolstr};

use crate::Scheme;
use crate::scheme::{header, standard_header};

/// Ids and types longer than this are no ids and types.
const LONGEST_NAME: usize = 256;

/// Id, type and time of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: SmolStr,
    pub(crate) event_type: SmolStr,
    /// Event time, as the sender states it.
    pub(crate) time: Option<Timestamp>,
}

/// Reads what each scheme has where. What is signed goes before what is not.
pub(crate) fn identity(scheme: Scheme, headers: &HeaderMap, body: &[u8]) -> Identity {
    let fields = std::str::from_utf8(body).ok().and_then(|text| object_fields(text).ok()).unwrap_or_default();
    // With duplicate keys the last one wins, as everywhere.
    let field = |name: &str| fields.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let words = |name: &str| field(name).and_then(words);
    let number = |name: &str| field(name).and_then(|value| value.get().parse::<i64>().ok());
    let named = |name: &str| header(headers, name).map(str::to_owned);
    let (id, event_type, time) = match scheme {
        Scheme::Standard => {
            let signed = standard_header(headers, "timestamp").and_then(|text| text.parse::<i64>().ok());
            let time = words("timestamp").and_then(|text| Timestamp::parse(&text));
            let time = time.or_else(|| signed.and_then(of_seconds));
            (standard_header(headers, "id").map(str::to_owned), words("type"), time)
        }
        Scheme::Stripe => (words("id"), words("type"), number("created").and_then(of_seconds)),
        Scheme::Github => (named("x-github-delivery"), named("x-github-event"), None),
        Scheme::Opentrain => {
            let time = words("createdAt").and_then(|text| Timestamp::parse(&text));
            (named("x-opentrain-delivery"), words("type"), time)
        }
        Scheme::Zenzap => {
            let time = number("timestamp").map(Timestamp::from_millis);
            (named("x-zenzap-delivery-id"), words("type"), time)
        }
    };
    let id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_NAME);
    let event_type = event_type.filter(|name| name.len() <= LONGEST_NAME).unwrap_or_default();
    Identity { id: id.map_or_else(|| by_content(body), SmolStr::from), event_type: event_type.into(), time }
}

/// The text of a JSON string.
fn words(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn of_seconds(seconds: i64) -> Option<Timestamp> {
    seconds.checked_mul(1000).map(Timestamp::from_millis)
}

fn by_content(body: &[u8]) -> SmolStr {
    let digest = Sha256::digest(body);
    let (high, low) = digest.split_at(16);
    let number = |half: &[u8]| half.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    format_smolstr!("sha256:{:032x}{:032x}", number(high), number(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn of(
        scheme: Scheme,
        lines: &[(&'static str, &'static str)],
        body: &str,
    ) -> (String, String, Option<i64>) {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let identity = identity(scheme, &lines.iter().map(header).collect(), body.as_bytes());
        (identity.id.into(), identity.event_type.into(), identity.time.map(Timestamp::as_millis))
    }

    #[test]
    fn every_scheme_names_its_deliveries() {
        let said = |id: &str, kind: &str, time| (id.to_owned(), kind.to_owned(), time);
        let time = Some(1_781_258_400_000);
        assert_eq!(
            of(
                Scheme::Standard,
                &[("webhook-id", "msg_1"), ("webhook-timestamp", "1781258400")],
                r#"{"type":"a.b"}"#
            ),
            said("msg_1", "a.b", time)
        );
        let body = r#"{"id":"evt_0","id":"evt_1","type":"invoice.paid","created":1781258400}"#;
        assert_eq!(of(Scheme::Stripe, &[], body), said("evt_1", "invoice.paid", time));
        assert_eq!(
            of(Scheme::Github, &[("x-github-delivery", "72d3162e"), ("x-github-event", "push")], "{}"),
            said("72d3162e", "push", None)
        );
        assert_eq!(
            of(
                Scheme::Opentrain,
                &[("x-opentrain-delivery", "d1"), ("x-opentrain-event", "forged")],
                r#"{"id":"7","type":"payment.created","createdAt":"2026-06-12T10:00:00.000Z"}"#
            ),
            said("d1", "payment.created", time)
        );
        assert_eq!(
            of(
                Scheme::Zenzap,
                &[("x-zenzap-delivery-id", "d2")],
                r#"{"id":"evt_2","type":"message.created","timestamp":1781258400000}"#
            ),
            said("d2", "message.created", time)
        );
    }

    #[test]
    fn what_names_no_id_is_known_by_its_content() {
        let (id, kind, time) = of(Scheme::Stripe, &[], "not json");
        assert!(id.starts_with("sha256:") && id.len() == 7 + 64, "{id}");
        assert_eq!((kind.as_str(), time), ("", None));
        assert_eq!(of(Scheme::Stripe, &[], "not json").0, id);
        assert_ne!(of(Scheme::Stripe, &[], "not json!").0, id);
    }
}

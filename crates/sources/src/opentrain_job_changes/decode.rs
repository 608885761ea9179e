//! Pages of `GET /jobs/changes`, and events out of their items.
//!
//! Source: the OpenTrain contract, section 8. Invariant: a bad item becomes a reject and never harms its page; what
//! names a change is the same at every redelivery.

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sluicebox_core::{Event, Reject, Timestamp};

use crate::item::{Origin, Said};
use crate::page::{item_fields, split, text};

/// A page that has the shape of the contract.
pub(super) struct ChangesPage<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) until: Timestamp,
}

/// Reads a page.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn page(body: &[u8]) -> Result<ChangesPage<'_>, String> {
    let page = split(body, "changes", ["until"]).map_err(|error| error.to_string())?;
    let [until] = page.fields;
    let until = text(until).and_then(|text| Timestamp::parse(&text)).ok_or("`until` is not a time")?;
    Ok(ChangesPage { items: page.items, until })
}

/// One item of a page.
pub(super) struct Change {
    raw: Bytes,
    /// When it happened, if it says so.
    pub(super) at: Option<Timestamp>,
    /// Equal for equal changes: a digest of job, type and time, or of the whole item if it lacks one of them.
    pub(super) fingerprint: u64,
    named: Result<Named, &'static str>,
}

struct Named {
    id: String,
    event_type: String,
    job: String,
}

/// Reads an item.
pub(super) fn change(raw: &Bytes) -> Change {
    let named = Named::read(raw);
    let (at, fingerprint) = match &named {
        Ok((named, at)) => (*at, fingerprint(named.id.as_bytes())),
        Err(_) => (None, fingerprint(raw)),
    };
    Change { raw: raw.clone(), at, fingerprint, named: named.map(|(named, _)| named) }
}

impl Named {
    fn read(raw: &Bytes) -> Result<(Self, Option<Timestamp>), &'static str> {
        let [job, event_type, occurred] =
            item_fields(raw, ["jobId", "eventType", "occurredAt"]).ok_or("the item is not a JSON object")?;
        let filled = |value| text(value).filter(|text| !text.is_empty());
        let job = filled(job).ok_or("the change has no `jobId`")?.into_owned();
        let event_type = filled(event_type).ok_or("the change has no `eventType`")?.into_owned();
        let occurred = filled(occurred).ok_or("the change has no `occurredAt`")?;
        let id = format!("job:{job}:{event_type}:{occurred}");
        Ok((Self { id, event_type, job }, Timestamp::parse(&occurred)))
    }
}

impl Change {
    /// The event of the change, or why it is none.
    pub(super) fn into_event(self, origin: &Origin, received: Timestamp) -> Result<Event, Box<Reject>> {
        match self.named {
            Ok(Named { id, event_type, job }) => {
                let said = Said { id: &id, event_type: &event_type, time: self.at, key: Some(&job) };
                Ok(origin.event(self.raw, &said, received))
            }
            Err(why) => Err(Box::new(origin.reject(self.raw, why, received))),
        }
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Change {
        change(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn changes_are_told_apart_by_job_type_and_time_alone() {
        let text = r#"{"jobId":"job_A","eventType":"PUBLISHED","occurredAt":"2026-06-12T09:58:11.000Z"}"#;
        let first = read(text);
        assert_eq!(first.at, Timestamp::parse("2026-06-12T09:58:11Z"));
        assert_eq!(first.fingerprint, read(&text.replace('}', ",\"new\":1}")).fingerprint);
        for (from, to) in [("job_A", "job_B"), ("PUBLISHED", "CLOSED"), ("11.000Z", "11.001Z")] {
            assert_ne!(first.fingerprint, read(&text.replace(from, to)).fingerprint, "{to}");
        }
    }

    #[test]
    fn what_lacks_a_name_is_no_change() {
        for (text, why) in [
            ("7", "the item is not a JSON object"),
            (r#"{"eventType":"CLOSED","occurredAt":"x"}"#, "the change has no `jobId`"),
            (r#"{"jobId":"j","eventType":7,"occurredAt":"x"}"#, "the change has no `eventType`"),
            (r#"{"jobId":"j","eventType":"CLOSED","occurredAt":""}"#, "the change has no `occurredAt`"),
        ] {
            assert_eq!(read(text).named.err(), Some(why), "{text}");
        }
        let odd = read(r#"{"jobId":"j","eventType":"CLOSED","occurredAt":"yesterday"}"#);
        assert!(
            odd.named.is_ok() && odd.at.is_none(),
            "a time that nobody can read is no reason to lose a change"
        );
    }

    #[test]
    fn pages_without_the_keys_of_the_contract_are_refused() {
        let good = r#"{"since":"x","until":"2026-06-12T10:00:00.000Z","changes":[{}],"new":1}"#;
        assert_eq!(page(good.as_bytes()).unwrap().items.len(), 1);
        for body in [
            "{}",
            r#"{"until":"2026-06-12T10:00:00.000Z"}"#,
            r#"{"changes":[]}"#,
            r#"{"changes":[],"until":null}"#,
            r#"{"changes":[],"until":"soon"}"#,
            r#"{"changes":{},"until":"2026-06-12T10:00:00.000Z"}"#,
        ] {
            assert!(page(body.as_bytes()).is_err(), "{body}");
        }
    }
}

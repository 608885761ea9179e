//! Attachments in the bytes of an event: where they stand, and what became of them written beside.
//!
//! Source: the Zenzap contract, section 5. Invariant: every byte that was not ours to change stays; an attachment that is
//! a bare link becomes an object with that link, so that a rule finds every attachment in one form.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::page::{fields, item_fields, text};

/// The attachments of one message.
pub(super) struct Message {
    /// The id of the message, if it has one.
    pub(super) id: Option<String>,
    pub(super) attachments: Vec<Attachment>,
}

/// One attachment as it stands in the event.
pub(super) struct Attachment {
    /// Where it stands.
    place: Range<usize>,
    /// Whether it is a link and nothing else.
    is_bare: bool,
    pub(super) id: Option<String>,
    /// What it says it is, or else what its message is.
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) url: Option<String>,
}

/// What became of an attachment, as the event tells it under `download`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Download {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How the download of an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// The file is at `path`, whole.
    Ok,
    /// The link is dead: 403, 404 or 410.
    Expired,
    /// The file is larger than `max_size`.
    TooLarge,
    /// It is of a type that is not wanted.
    Skipped,
    /// It could not be fetched, for the `reason`.
    Failed,
}

impl Download {
    /// A file that is whole at `path`.
    pub(super) fn ok(path: String, bytes: u64, sha256: String) -> Self {
        let (path, bytes, sha256) = (Some(path), Some(bytes), Some(sha256));
        Self { status: Status::Ok, path, bytes, sha256, reason: None }
    }

    /// Anything else, with a clause why.
    pub(super) fn without(status: Status, reason: impl Into<String>) -> Self {
        Self { status, path: None, bytes: None, sha256: None, reason: Some(reason.into()) }
    }
}

/// Finds the attachments of an update; `None` if it has none that can be read.
pub(super) fn find(json: &[u8]) -> Option<Message> {
    let [data] = item_fields(json, ["data"])?;
    let names = ["id", "type", "attachments"];
    let [message] = fields(data?, ["message"])?;
    // `data` holds the message, or is the message itself.
    let [id, kind, attachments] = match message.and_then(|message| fields(message, names)) {
        Some(found) => found,
        None => fields(data?, names)?,
    };
    let attachments: Vec<&RawValue> = serde_json::from_str(attachments?.get()).ok()?;
    let kind = owned(kind);
    let found = attachments.into_iter().filter_map(|raw| attachment(json, raw, kind.as_deref())).collect();
    Some(Message { id: owned(id), attachments: found })
}

fn attachment(json: &[u8], raw: &RawValue, message_kind: Option<&str>) -> Option<Attachment> {
    let start = raw.get().as_ptr().addr() - json.as_ptr().addr();
    let place = start..start + raw.get().len();
    let of_message = || message_kind.map(str::to_owned);
    if raw.get().starts_with('"') {
        let url = owned(Some(raw));
        return Some(Attachment { place, is_bare: true, id: None, kind: of_message(), name: None, url });
    }
    let [id, kind, name, url] = fields(raw, ["id", "type", "name", "url"])?;
    let kind = owned(kind).or_else(of_message);
    Some(Attachment { place, is_bare: false, id: owned(id), kind, name: owned(name), url: owned(url) })
}

/// A text that is not empty.
fn owned(value: Option<&RawValue>) -> Option<String> {
    text(value).map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
}

/// The event with `download` in each attachment. A field of that name which came is written last, hence replaced.
pub(super) fn annotate(json: &[u8], downloads: &[(&Attachment, Download)]) -> Bytes {
    let mut out = Vec::with_capacity(json.len() + downloads.len() * 200);
    let mut copied = 0;
    for (attachment, download) in downloads {
        let Range { start, end } = attachment.place;
        let download = serde_json::to_vec(download).expect("texts and numbers are JSON");
        out.extend_from_slice(&json[copied..start]);
        if attachment.is_bare {
            out.extend_from_slice(b"{\"url\":");
            out.extend_from_slice(&json[start..end]);
            out.push(b',');
        } else {
            let inner = json[start..end - 1].trim_ascii_end();
            out.extend_from_slice(inner);
            if inner != b"{" {
                out.push(b',');
            }
        }
        out.extend_from_slice(b"\"download\":");
        out.extend_from_slice(&download);
        out.push(b'}');
        copied = end;
    }
    out.extend_from_slice(&json[copied..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(json: &str) -> Option<String> {
        let message = find(json.as_bytes())?;
        let told = |attachment| (attachment, Download::without(Status::Skipped, "x"));
        let downloads: Vec<_> = message.attachments.iter().map(told).collect();
        Some(String::from_utf8(annotate(json.as_bytes(), &downloads).to_vec()).unwrap())
    }

    #[test]
    fn what_became_of_each_is_written_beside_and_every_other_byte_stays() {
        let json = r#"{"n":1.10, "data":{"message":{"attachments":[ {"id":"a" } , "https://x/\u0061", {}, null, 7 ], "z":{}}}}"#;
        let download = r#""download":{"status":"skipped","reason":"x"}"#;
        let expected = format!(
            r#"{{"n":1.10, "data":{{"message":{{"attachments":[ {{"id":"a",{download}}} , {{"url":"https://x/\u0061",{download}}}, {{{download}}}, null, 7 ], "z":{{}}}}}}}}"#
        );
        assert_eq!(annotated(json), Some(expected));
        for none in
            ["[]", r#"{"data":7}"#, r#"{"data":{"message":{"id":"m"}}}"#, r#"{"data":{"attachments":"x"}}"#]
        {
            assert_eq!(annotated(none), None, "{none}");
        }
    }

    #[test]
    fn attachments_are_read_in_every_shape() {
        let bare = br#"{"data":{"id":"m","topicId":"t","type":"image","attachments":["https://x/a"]}}"#;
        let message = find(bare).unwrap();
        assert_eq!(message.id.as_deref(), Some("m"));
        let [only] = &message.attachments[..] else { unreachable!("one attachment") };
        assert_eq!((only.kind.as_deref(), only.url.as_deref()), (Some("image"), Some("https://x/a")));
        let whole =
            br#"{"data":{"message":{"type":"text","attachments":[{"id":"","type":"audio","url":7}]}}}"#;
        let message = find(whole).unwrap();
        let only = &message.attachments[0];
        assert_eq!((&only.id, only.kind.as_deref(), &only.url), (&None, Some("audio"), &None));
    }
}

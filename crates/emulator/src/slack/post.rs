//! What a message may hold: the arguments that both ways of posting share, read as strictly as section 4 allows.

use serde_json::{Map, Value};

use super::blocks;
use super::refusal::Refusal;

/// Longer text is cut, with a warning.
const TEXT: usize = 40_000;
const MARKDOWN_TEXT: usize = 12_000;
const ATTACHMENTS: usize = 100;

/// A message that may be stored.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) text: Option<String>,
    pub(super) blocks: Option<Value>,
    pub(super) thread_ts: Option<String>,
    /// Everything, as it came.
    pub(super) arguments: Value,
    /// Whether the text was cut.
    pub(super) truncated: bool,
}

/// Characters are not defined by the contract; the strictest count that a client can be held to is in UTF-16 units.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

impl Post {
    /// Reads the arguments of a message.
    pub(super) fn read(arguments: Map<String, Value>) -> Result<Self, Refusal> {
        let mut text = string(&arguments, "text")?;
        let markdown = string(&arguments, "markdown_text")?;
        let thread_ts = string(&arguments, "thread_ts")?;
        for name in ["reply_broadcast", "unfurl_links", "unfurl_media", "link_names", "mrkdwn"] {
            if present(&arguments, name).is_some_and(|value| !value.is_boolean()) {
                return Err("invalid_arguments".into());
            }
        }
        let blocks = present(&arguments, "blocks").cloned();
        let attachments = check_attachments(present(&arguments, "attachments"))?;
        check_metadata(present(&arguments, "metadata"))?;
        if markdown.is_some() && (text.is_some() || blocks.is_some()) {
            return Err("markdown_text_conflict".into());
        }
        if markdown.as_ref().is_some_and(|markdown| length(markdown) > MARKDOWN_TEXT) {
            return Err("msg_too_long".into());
        }
        let written = [&text, &markdown].into_iter().flatten().any(|text| !text.trim().is_empty());
        let filled =
            blocks.as_ref().is_some_and(|blocks| blocks.as_array().is_none_or(|list| !list.is_empty()));
        if !written && !filled && attachments == 0 {
            return Err("no_text".into());
        }
        if let Some(blocks) = &blocks {
            blocks::check(blocks)?;
        }
        let truncated = text.as_mut().is_some_and(truncate);
        Ok(Self { text, blocks, thread_ts, arguments: Value::Object(arguments), truncated })
    }
}

/// An argument; null is as good as none.
fn present<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    arguments.get(name).filter(|value| !value.is_null())
}

fn string(arguments: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match present(arguments, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal {
            word: "invalid_arguments",
            messages: vec![format!("[ERROR] must be a string [json-pointer:/{name}]")],
        }),
    }
}

/// Counts attachments that show something.
fn check_attachments(attachments: Option<&Value>) -> Result<usize, Refusal> {
    let Some(attachments) = attachments else {
        return Ok(0);
    };
    let list = attachments.as_array().ok_or("invalid_array_arg")?;
    if list.len() > ATTACHMENTS {
        return Err("too_many_attachments".into());
    }
    let shows = |attachment: &Value| {
        ["text", "fallback", "blocks", "pretext", "title", "fields", "image_url"]
            .iter()
            .any(|name| !attachment[*name].is_null())
    };
    if !list.iter().all(shows) {
        return Err("missing_text_or_fallback_or_attachments".into());
    }
    Ok(list.len())
}

fn check_metadata(metadata: Option<&Value>) -> Result<(), Refusal> {
    match metadata {
        Some(metadata) if !(metadata["event_type"].is_string() && metadata["event_payload"].is_object()) => {
            Err("invalid_metadata_format".into())
        }
        _ => Ok(()),
    }
}

/// Cuts what is too long; says whether it did.
fn truncate(text: &mut String) -> bool {
    let mut units = 0;
    let end = text.char_indices().find_map(|(at, character)| {
        units += character.len_utf16();
        (units > TEXT).then_some(at)
    });
    if let Some(end) = end {
        text.truncate(end);
    }
    end.is_some()
}

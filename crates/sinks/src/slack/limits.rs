//! Slack's limits on blocks: what `check` can know of them, and how rendered blocks are made to fit.
//!
//! Source: section 4 of the Slack contract; lengths as in [`super::split::width`], after escaping. Invariant: what is
//! sent keeps every documented limit; texts are cut to that end, and nothing else is.

use std::collections::HashSet;

use serde_json::{Map, Value};
use sluicebox_core::{Error, Problem, Result};

use super::blocks::is_type;
use super::split::{cut, width};

/// Most blocks of a message.
pub(crate) const MOST_BLOCKS: usize = 50;
/// Most characters of all texts in the blocks of a message (13,000 are observed to be too many).
pub(crate) const BLOCKS_CHARACTERS: usize = 12_000;
/// What stands for a text that is empty, which Slack refuses.
pub(crate) const EMPTY: &str = "(empty)";

const TEXT: usize = 3_000;
const FIELD: usize = 2_000;
const HEADER: usize = 150;
const BUTTON: usize = 75;
const BLOCK_ID: usize = 255;
const VALUE: usize = 2_000;
const URL: usize = 3_000;

/// Most items in the lists of a block, by its type.
const LISTS: [(&str, &str, usize); 3] =
    [("section", "fields", 10), ("context", "elements", 10), ("actions", "elements", 25)];

/// What is wrong with blocks as the file writes them, with paths from `blocks`.
pub(crate) fn check(blocks: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !(1..=MOST_BLOCKS).contains(&blocks.len()) {
        let message = format!("expected 1 to {MOST_BLOCKS} blocks, found {}", blocks.len());
        problems.push(Problem::new("blocks", message));
    }
    let mut ids = HashSet::new();
    for (index, block) in blocks.iter().enumerate() {
        let path = format!("blocks[{index}]");
        let Value::Object(fields) = block else {
            problems
                .push(Problem::new(path, "expected a map with a `type`").with_help(
                    "like `{type: section, text: {type: mrkdwn, text: \"*{{ event.title }}*\"}}`",
                ));
            continue;
        };
        check_block(fields, &path, &mut problems);
        if let Some(Value::String(id)) = fields.get("block_id")
            && !id.contains("{{")
            && !ids.insert(id)
        {
            let message = format!("`{id}` is the id of another block too");
            problems.push(Problem::new(format!("{path}.block_id"), message));
        }
        check_texts(block, TEXT, &path, &mut problems);
    }
    problems
}

fn check_block(block: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let mut problem =
        |key: &str, message: String| problems.push(Problem::new(format!("{path}{key}"), message));
    match block.get("type") {
        Some(Value::String(name)) if !name.is_empty() && !name.contains("{{") => {}
        Some(_) => problem(".type", "expected the type of a block, like `section`".to_owned()),
        None => problem("", "`type` is missing: `section`, `header`, `context`, `divider`, …".to_owned()),
    }
    for (name, key, most) in LISTS {
        if !is_type(block, name) {
            continue;
        }
        match block.get(key) {
            None if key == "fields" => {}
            Some(Value::Array(items)) if (1..=most).contains(&items.len()) => {}
            Some(Value::Array(items)) => {
                problem(&format!(".{key}"), format!("expected 1 to {most} items, found {}", items.len()));
            }
            _ => problem("", format!("`{key}` is missing: a list")),
        }
    }
    let has_text = block.get("text").is_some();
    if is_type(block, "section") && !has_text && !block.contains_key("fields") {
        problem("", "a section has `text` or `fields`".to_owned());
    }
    if is_type(block, "header") && !block.get("text").and_then(Value::as_object).is_some_and(is_plain) {
        problem("", "a header has a `text` of the form `{type: plain_text, text: …}`".to_owned());
    }
    if is_type(block, "section") && has_text && !block["text"].as_object().is_some_and(is_text_object) {
        problem(".text", "expected `{type: mrkdwn, text: …}` or `{type: plain_text, text: …}`".to_owned());
    }
}

fn is_plain(object: &Map<String, Value>) -> bool {
    is_type(object, "plain_text") && object.get("text").is_some_and(Value::is_string)
}

fn is_text_object(object: &Map<String, Value>) -> bool {
    is_plain(object) || (is_type(object, "mrkdwn") && object.get("text").is_some_and(Value::is_string))
}

/// Texts without a template can be measured before anything runs.
fn check_texts(value: &Value, limit: usize, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_texts(item, limit, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Object(fields) => {
            if let Some(text) = fields.get("text").and_then(Value::as_str)
                && is_text_object(fields)
                && !text.contains("{{")
                && !(1..=limit).contains(&width(text))
            {
                let message = format!("expected 1 to {limit} characters, found {}", width(text));
                problems.push(Problem::new(format!("{path}.text"), message));
            }
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_string()) {
                check_texts(value, limit_within(fields, key, limit), &format!("{path}.{key}"), problems);
            }
        }
        _ => {}
    }
}

/// The limit of the texts under a key.
fn limit_within(object: &Map<String, Value>, key: &str, outer: usize) -> usize {
    match (object.get("type").and_then(Value::as_str), key) {
        (Some("header"), "text") => HEADER,
        (Some("section"), "fields") => FIELD,
        (Some("button"), "text") => BUTTON,
        _ => outer,
    }
}

/// What fitting has come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitted {
    /// Characters of all texts together.
    pub(crate) characters: usize,
    /// Texts that were cut.
    pub(crate) cuts: usize,
}

/// Cuts the texts of rendered blocks to their limits, the later ones harder if all together are too long, and puts
/// `(empty)` where a text is.
///
/// # Errors
/// `Permanent` (reason `too_large`) for an id, a value or a URL that is too long: half of one is worth nothing.
pub(crate) fn fit(blocks: &mut [Value]) -> Result<Fitted> {
    let mut fitted = Fitted::default();
    for block in blocks {
        fit_value(block, TEXT, &mut fitted)?;
    }
    Ok(fitted)
}

fn fit_value(value: &mut Value, limit: usize, fitted: &mut Fitted) -> Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| fit_value(item, limit, fitted)),
        Value::Object(fields) => fit_object(fields, limit, fitted),
        _ => Ok(()),
    }
}

fn fit_object(fields: &mut Map<String, Value>, limit: usize, fitted: &mut Fitted) -> Result<()> {
    for (key, most) in [("block_id", BLOCK_ID), ("value", VALUE), ("url", URL), ("image_url", URL)] {
        let length = fields.get(key).and_then(Value::as_str).map_or(0, width);
        if length > most {
            let message = format!("`{key}` of a block has {length} characters, and Slack takes {most}");
            return Err(Error::permanent(message).with_reason("too_large"));
        }
    }
    let limits: Vec<usize> = fields.keys().map(|key| limit_within(fields, key, limit)).collect();
    let is_markdown = is_type(fields, "markdown");
    let is_text = is_text_object(fields) || is_markdown;
    let limit = if is_markdown { BLOCKS_CHARACTERS } else { limit };
    for ((key, value), within) in fields.iter_mut().zip(limits) {
        match value {
            Value::String(text) if is_text && key == "text" => fit_text(text, limit, fitted),
            Value::Array(_) | Value::Object(_) => fit_value(value, within, fitted)?,
            _ => {}
        }
    }
    Ok(())
}

fn fit_text(text: &mut String, limit: usize, fitted: &mut Fitted) {
    if text.trim().is_empty() {
        EMPTY.clone_into(text);
    }
    // Something of every text is shown, also when those before it have used up the room.
    let room = BLOCKS_CHARACTERS.saturating_sub(fitted.characters).max(1);
    if let Some(shorter) = cut(text, limit.min(room)) {
        *text = shorter;
        fitted.cuts += 1;
    }
    fitted.characters += width(text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(blocks: &Value) -> Vec<String> {
        check(blocks.as_array().unwrap()).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn what_slack_would_refuse_is_found_before_anything_runs() {
        let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x" } });
        let text = |length: usize| json!({ "type": "plain_text", "text": "x".repeat(length) });
        let list = |length: usize| vec![text(1); length];
        for (block, path) in [
            (json!("text"), "blocks[0]"),
            (json!({ "text": "x" }), "blocks[0]"),
            (json!({ "type": "{{ event.x }}" }), "blocks[0].type"),
            (json!({ "type": "section" }), "blocks[0]"),
            (json!({ "type": "section", "text": "x" }), "blocks[0].text"),
            (json!({ "type": "section", "fields": list(11) }), "blocks[0].fields"),
            (json!({ "type": "section", "fields": [text(2001)] }), "blocks[0].fields[0].text"),
            (json!({ "type": "section", "text": text(3001) }), "blocks[0].text.text"),
            (json!({ "type": "section", "text": text(0) }), "blocks[0].text.text"),
            (json!({ "type": "header", "text": { "type": "mrkdwn", "text": "x" } }), "blocks[0]"),
            (json!({ "type": "header", "text": text(151) }), "blocks[0].text.text"),
            (json!({ "type": "context", "elements": list(11) }), "blocks[0].elements"),
            (json!({ "type": "context" }), "blocks[0]"),
            (json!({ "type": "actions", "elements": list(26) }), "blocks[0].elements"),
            (
                json!({ "type": "actions", "elements": [{ "type": "button", "text": text(76) }] }),
                "blocks[0].elements[0].text.text",
            ),
        ] {
            assert_eq!(paths(&json!([block])), [path], "{block}");
        }
        assert_eq!(paths(&json!([])), ["blocks"]);
        assert_eq!(paths(&Value::Array(vec![section.clone(); 51])), ["blocks"]);
        assert!(paths(&Value::Array(vec![section; 50])).is_empty());
        let twice = json!({ "type": "divider", "block_id": "a" });
        assert_eq!(paths(&json!([twice, twice])), ["blocks[1].block_id"]);
    }

    #[test]
    fn texts_are_cut_to_their_own_limit_and_to_what_is_left_for_all() {
        let text = |text: &str| json!({ "type": "mrkdwn", "text": text });
        let long = "x".repeat(5_000);
        let mut blocks = vec![
            json!({ "type": "header", "text": { "type": "plain_text", "text": long } }),
            json!({ "type": "section", "text": text(&long), "fields": [text(&long), text(" ")] }),
            json!({ "type": "context", "elements": [text(&"&amp;".repeat(1000)), text("short")] }),
            json!({ "type": "actions", "elements": [{ "type": "button", "text": { "type": "plain_text", "text": long } }] }),
        ];
        let fitted = fit(&mut blocks).unwrap();
        let length = |pointer: &str| {
            let (block, rest) = pointer.split_at(1);
            width(blocks[block.parse::<usize>().unwrap()].pointer(rest).unwrap().as_str().unwrap())
        };
        assert_eq!(length("0/text/text"), 150);
        assert_eq!(length("1/text/text"), 3_000);
        assert_eq!(length("1/fields/0/text"), 2_000);
        assert_eq!(blocks[1]["fields"][1]["text"], "(empty)");
        // 599 entities of 5 and the sign of the cut; a sixth hundredth would be one too long.
        assert_eq!(length("2/elements/0/text"), 2_996);
        assert_eq!(length("2/elements/1/text"), 5);
        assert_eq!(length("3/elements/0/text/text"), 75);
        assert_eq!(fitted, Fitted { characters: 150 + 3_000 + 2_000 + 7 + 2_996 + 5 + 75, cuts: 5 });
        let mut many = vec![json!({ "type": "section", "text": text(&long) }); 6];
        assert!(fit(&mut many).unwrap().characters <= BLOCKS_CHARACTERS + 6);
        assert_eq!(many[4]["text"]["text"], "…");
    }

    #[test]
    fn a_markdown_block_may_use_the_room_of_all() {
        let mut blocks = vec![json!({ "type": "markdown", "text": "x".repeat(12_001) })];
        assert_eq!(fit(&mut blocks).unwrap(), Fitted { characters: 12_000, cuts: 1 });
    }

    #[test]
    fn ids_values_and_urls_are_never_cut() {
        for (key, most) in [("block_id", 255), ("value", 2_000), ("url", 3_000)] {
            let block = |length: usize| vec![json!({ "type": "x", key: "x".repeat(length) })];
            assert!(fit(&mut block(most)).is_ok(), "{key}");
            assert_eq!(fit(&mut block(most + 1)).unwrap_err().reason(), "too_large", "{key}");
        }
    }
}

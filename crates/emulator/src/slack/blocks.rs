//! The limits of Block Kit, section 4 of the contract. Everything that is wrong is said at once, each with its place.

use std::collections::HashSet;

use serde_json::Value;

use super::post::length;
use super::refusal::Refusal;

const BLOCKS: usize = 50;
const SECTION_TEXT: usize = 3000;
const FIELDS: usize = 10;
const FIELD_TEXT: usize = 2000;
const HEADER_TEXT: usize = 150;
const CONTEXT_ELEMENTS: usize = 10;
const ACTION_ELEMENTS: usize = 25;
const BUTTON: [(&str, usize); 2] = [("value", 2000), ("url", 3000)];
const BUTTON_TEXT: usize = 75;
const MARKDOWN: usize = 12_000;
const BLOCK_ID: usize = 255;
/// Over all blocks together; observed by others, not documented.
const TOTAL: usize = 13_000;

/// Types of which only the frame is checked: the contract says no more about them.
const OTHERS: [&str; 7] = ["divider", "image", "rich_text", "file", "video", "input", "table"];

/// Checks the blocks of a message.
pub(super) fn check(blocks: &Value) -> Result<(), Refusal> {
    let list = blocks.as_array().ok_or("invalid_blocks_format")?;
    let mut check = Check::default();
    if list.len() > BLOCKS {
        check.wrong("/blocks", &format!("no more than {BLOCKS} items allowed"));
    }
    for (place, block) in list.iter().enumerate() {
        check.block(block, &format!("/blocks/{place}"));
    }
    if check.markdown > MARKDOWN {
        check.wrong("/blocks", &format!("markdown blocks must be less than {} characters", MARKDOWN + 1));
    }
    if !check.messages.is_empty() {
        return Err(Refusal { word: "invalid_blocks", messages: check.messages });
    }
    if check.total > TOTAL {
        return Err("msg_blocks_too_long".into());
    }
    Ok(())
}

#[derive(Default)]
struct Check {
    messages: Vec<String>,
    ids: HashSet<String>,
    /// Characters of all text objects.
    total: usize,
    /// Characters of all markdown blocks.
    markdown: usize,
}

impl Check {
    fn wrong(&mut self, place: &str, what: &str) {
        self.messages.push(format!("[ERROR] {what} [json-pointer:{place}]"));
    }

    fn block(&mut self, block: &Value, place: &str) {
        self.id(&block["block_id"], place);
        match block["type"].as_str() {
            Some("section") => self.section(block, place),
            Some("header") => {
                self.text(&block["text"], &format!("{place}/text"), HEADER_TEXT, &["plain_text"]);
            }
            Some("context") => self.context(block, place),
            Some("actions") => self.actions(block, place),
            Some("markdown") => self.markdown(block, place),
            Some(other) if OTHERS.contains(&other) => {}
            Some(other) => self.wrong(place, &format!("unsupported type: {other}")),
            None => self.wrong(place, "missing required field: type"),
        }
    }

    fn id(&mut self, id: &Value, place: &str) {
        let place = format!("{place}/block_id");
        match id {
            Value::Null => {}
            Value::String(id) if length(id) > BLOCK_ID => self.too_long(&place, BLOCK_ID),
            Value::String(id) => {
                if !self.ids.insert(id.clone()) {
                    self.wrong(&place, "block_id is not unique in the message");
                }
            }
            _ => self.wrong(&place, "must be a string"),
        }
    }

    fn section(&mut self, block: &Value, place: &str) {
        let (text, fields) = (&block["text"], &block["fields"]);
        if text.is_null() && fields.is_null() {
            self.wrong(place, "missing required field: text or fields");
        }
        if !text.is_null() {
            self.text(text, &format!("{place}/text"), SECTION_TEXT, &["mrkdwn", "plain_text"]);
        }
        if !fields.is_null() {
            let place = format!("{place}/fields");
            for (number, field) in self.items(fields, &place, FIELDS).iter().enumerate() {
                self.text(field, &format!("{place}/{number}"), FIELD_TEXT, &["mrkdwn", "plain_text"]);
            }
        }
    }

    fn context(&mut self, block: &Value, place: &str) {
        let place = format!("{place}/elements");
        for (number, element) in self.items(&block["elements"], &place, CONTEXT_ELEMENTS).iter().enumerate() {
            if element["type"] != "image" {
                self.text(element, &format!("{place}/{number}"), SECTION_TEXT, &["mrkdwn", "plain_text"]);
            }
        }
    }

    fn actions(&mut self, block: &Value, place: &str) {
        let place = format!("{place}/elements");
        for (number, element) in self.items(&block["elements"], &place, ACTION_ELEMENTS).iter().enumerate() {
            if element["type"] != "button" {
                continue;
            }
            let place = format!("{place}/{number}");
            self.text(&element["text"], &format!("{place}/text"), BUTTON_TEXT, &["plain_text"]);
            for (name, limit) in BUTTON {
                if element[name].as_str().is_some_and(|text| length(text) > limit) {
                    self.too_long(&format!("{place}/{name}"), limit);
                }
            }
        }
    }

    fn markdown(&mut self, block: &Value, place: &str) {
        match block["text"].as_str() {
            Some(text) if !text.is_empty() => {
                self.markdown += length(text);
                self.total += length(text);
            }
            _ => self.wrong(&format!("{place}/text"), "must be more than 0 characters"),
        }
    }

    /// The items of a list that must have some, but not too many.
    fn items<'v>(&mut self, list: &'v Value, place: &str, limit: usize) -> &'v [Value] {
        let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
        if items.is_empty() {
            self.wrong(place, "must provide at least 1 item");
        } else if items.len() > limit {
            self.wrong(place, &format!("no more than {limit} items allowed"));
        }
        items
    }

    /// A text object: one of the types, and never empty.
    fn text(&mut self, object: &Value, place: &str, limit: usize, types: &[&str]) {
        let Some(text) = object["text"].as_str() else {
            return self.wrong(place, "must be a text object");
        };
        if !object["type"].as_str().is_some_and(|given| types.contains(&given)) {
            self.wrong(place, &format!("must be of type {}", types.join(" or ")));
        }
        let count = length(text);
        self.total += count;
        if count == 0 {
            self.wrong(&format!("{place}/text"), "must be more than 0 characters");
        } else if count > limit {
            self.too_long(&format!("{place}/text"), limit);
        }
    }

    fn too_long(&mut self, place: &str, limit: usize) {
        self.wrong(place, &format!("must be less than {} characters", limit + 1));
    }
}

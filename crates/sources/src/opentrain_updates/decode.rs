//! Pages of `GET /updates`, and events out of their items.
//!
//! Source: the OpenTrain contract, section 3. Invariant: a bad item becomes a reject and never harms its page; a bad
//! page is refused whole.

use serde_json::value::RawValue;
use sluicebox_core::{Event, Reject, Timestamp};
use sluicebox_http::Answer;

use crate::item::{Origin, Said, slice};
use crate::page::{fields, is_null, split, text, text_or_integer};

/// A page that has the shape of the contract.
pub(super) struct UpdatesPage<'a> {
    pub(super) items: Vec<&'a RawValue>,
    /// The digits as the API wrote them; `None` for `null`.
    pub(super) next_cursor: Option<String>,
    pub(super) has_more: bool,
}

/// Reads a page.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn page(body: &[u8]) -> Result<UpdatesPage<'_>, String> {
    let page = split(body, "events", ["nextCursor", "hasMore"]).map_err(|error| error.to_string())?;
    let [next_cursor, has_more] = page.fields;
    let has_more = match has_more.map(RawValue::get) {
        Some("true") => true,
        Some("false") => false,
        _ => return Err("`hasMore` is neither true nor false".to_owned()),
    };
    let next_cursor = match text_or_integer(next_cursor) {
        Some(number) if is_number(&number) => Some(number.into_owned()),
        None if next_cursor.is_some() && is_null(next_cursor) => None,
        _ => return Err("`nextCursor` is neither a number nor null".to_owned()),
    };
    Ok(UpdatesPage { items: page.items, next_cursor, has_more })
}

/// Whether a text can be a cursor.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The events of a page in order, and the items that are none.
pub(super) fn events(page: &UpdatesPage<'_>, answer: &Answer, origin: &Origin) -> (Vec<Event>, Vec<Reject>) {
    let mut events = Vec::with_capacity(page.items.len());
    let mut rejects = Vec::new();
    for item in &page.items {
        let raw = slice(&answer.body, item);
        let Some([id, event_type, created_at]) = fields(item, ["id", "type", "createdAt"]) else {
            rejects.push(origin.reject(raw, "the item is not a JSON object", answer.received));
            continue;
        };
        let id = text_or_integer(id).filter(|id| !id.is_empty());
        match (id, text(event_type)) {
            (Some(id), Some(event_type)) => {
                let time = text(created_at).and_then(|text| Timestamp::parse(&text));
                let said = Said { id: &id, event_type: &event_type, time, key: None };
                events.push(origin.event(raw, &said, answer.received));
            }
            (None, _) => rejects.push(origin.reject(raw, "the event has no `id`", answer.received)),
            (_, None) => rejects.push(origin.reject(raw, "the event has no `type`", answer.received)),
        }
    }
    (events, rejects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_kept_digit_by_digit() {
        let next = |text: &str| {
            let body = format!(r#"{{"events":[],"nextCursor":{text},"hasMore":false,"new":{{}}}}"#);
            page(body.as_bytes()).map(|page| page.next_cursor)
        };
        assert_eq!(next("\"01042\"").unwrap().as_deref(), Some("01042"));
        assert_eq!(next("18446744073709551617").unwrap().as_deref(), Some("18446744073709551617"));
        assert_eq!(next("null").unwrap(), None);
        for text in ["\"\"", "\"a\"", "1.5", "-1", "true", "{}", "\"1 2\"", "1e3"] {
            assert!(next(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pages_without_the_keys_of_the_contract_are_refused() {
        for body in [
            r#"{"events":[],"hasMore":false}"#,
            r#"{"events":[],"nextCursor":null}"#,
            r#"{"events":[],"nextCursor":null,"hasMore":"false"}"#,
            r#"{"nextCursor":null,"hasMore":false}"#,
            "<html>",
            "",
        ] {
            assert!(page(body.as_bytes()).is_err(), "{body}");
        }
    }
}

//! Pages of `GET /updates`, and events out of their items.
//!
//! Source: the OpenTrain contract, section 3. Invariant: a bad item becomes a reject and never harms its page; a bad
//! page is refused whole.

use bytes::Bytes;
use serde_json::value::RawValue;
use sluicebox_core::{Event, Reject, Timestamp, Unread};
use sluicebox_http::Answer;
pub(super) use sluicebox_polling::digits::is_number;

use crate::item::{Origin, Said, slice};
use crate::page::{is_null, item_fields, split, text, text_or_integer};

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

/// The items of a page, to be read beside the next poll.
pub(super) fn unread(page: &UpdatesPage<'_>, answer: &Answer, origin: Origin) -> Unread {
    let items: Vec<Bytes> = page.items.iter().map(|item| slice(&answer.body, item)).collect();
    let received = answer.received;
    let read = move || {
        let mut events = Vec::with_capacity(items.len());
        let mut rejects = Vec::new();
        for raw in items {
            match event(&raw, &origin, received) {
                Ok(event) => events.push(event),
                Err(reject) => rejects.push(*reject),
            }
        }
        (events, rejects)
    };
    Unread { count: page.items.len(), bytes: answer.body.len(), read: Box::new(read) }
}

/// The event of one item, or why it is none.
pub(super) fn event(raw: &Bytes, origin: &Origin, received: Timestamp) -> Result<Event, Box<Reject>> {
    let refuse = |why| Box::new(origin.reject(raw.clone(), why, received));
    let Some([id, event_type, created_at]) = item_fields(raw, ["id", "type", "createdAt"]) else {
        return Err(refuse("the item is not a JSON object"));
    };
    let id =
        text_or_integer(id).filter(|id| !id.is_empty()).ok_or_else(|| refuse("the event has no `id`"))?;
    let event_type = text(event_type).ok_or_else(|| refuse("the event has no `type`"))?;
    let time = text(created_at).and_then(|text| Timestamp::parse(&text));
    let said = Said { id: &id, event_type: &event_type, time, key: None };
    Ok(origin.event(raw.clone(), &said, received))
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

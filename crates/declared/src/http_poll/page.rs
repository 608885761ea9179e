//! From an answer to a page: its items, where it ends, whether there is more.
//!
//! Invariant: an answer that is not what the declaration says is refused whole, and so never moves the cursor.

use bytes::Bytes;
use serde_json::value::RawValue;
use sluicebox_core::Unread;
use sluicebox_http::Answer;
use sluicebox_polling::item::{Origin, slice};
use sluicebox_polling::path::{Path, find_list};

use super::compiled::Compiled;
use super::event::EventPaths;
use super::more::Signs;

/// A page that has the shape of the declaration.
pub(super) struct Page<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) next: Option<String>,
    pub(super) more: bool,
}

impl<'a> Page<'a> {
    /// Reads an answer.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(answer: &'a Answer, compiled: &Compiled) -> Result<Self, String> {
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let next = compiled.next.as_ref();
        let next_path = next.and_then(|next| next.body_path());
        let others: Vec<&Path> = [next_path, compiled.more_path.as_ref()].into_iter().flatten().collect();
        let (mut items, found) = find_list(text, &compiled.items, &others)?;
        let mut found = found.into_iter();
        let in_body = next_path.and_then(|_| found.next().flatten());
        let field = found.next().flatten();
        if compiled.newest_first {
            items.reverse();
        }
        let next = match next {
            Some(next) => next.of(compiled.kind, answer, in_body, items.last().copied())?,
            None => None,
        };
        let signs = Signs { field, count: items.len(), limit: compiled.limit, has_next: next.is_some() };
        let more = compiled.more.says(&signs)?;
        Ok(Self { items, next, more })
    }

    /// The items, to be read beside the next poll.
    pub(super) fn unread(&self, answer: &Answer, origin: &Origin, paths: &EventPaths) -> Unread {
        let items: Vec<Bytes> = self.items.iter().map(|item| slice(&answer.body, item)).collect();
        let (received, origin, paths) = (answer.received, origin.clone(), paths.clone());
        let read = move || {
            let (mut events, mut rejects) = (Vec::with_capacity(items.len()), Vec::new());
            for raw in items {
                match paths.event(&raw, &origin, received) {
                    Ok(event) => events.push(event),
                    Err(reject) => rejects.push(*reject),
                }
            }
            (events, rejects)
        };
        Unread { count: self.items.len(), bytes: answer.body.len(), read: Box::new(read) }
    }
}

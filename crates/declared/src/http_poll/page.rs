//! From an answer to a page: its items, where it ends, whether there is more.
//!
//! Invariant: an answer that is not what the declaration says is refused whole, and so never moves the cursor.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;
use sluicebox_core::Unread;
use sluicebox_http::Answer;
use sluicebox_polling::item::{Origin, slice};
use sluicebox_polling::path::{Path, find_list};

use super::compiled::Compiled;
use super::cursor::{CursorKind, Next};
use super::decimal;
use super::event::{EventPaths, scalar};
use super::more::Signs;

/// A page that has the shape of the declaration.
pub(super) struct Page<'a> {
    pub(super) items: Vec<&'a RawValue>,
    /// The next cursor; where there are pages, that of the newest item.
    pub(super) next: Option<String>,
    /// How the next page of the sweep is asked for.
    pub(super) following: Option<String>,
    pub(super) more: bool,
}

impl<'a> Page<'a> {
    /// Reads an answer.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(answer: &'a Answer, compiled: &Compiled) -> Result<Self, String> {
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let next_path = compiled.next.as_ref().and_then(Next::body_path);
        let page_path = compiled.pages.as_ref().and_then(|(place, _)| place.body_path());
        let paths = [next_path, page_path, compiled.more_path.as_ref()];
        let others: Vec<&Path> = paths.into_iter().flatten().collect();
        let (mut items, found) = find_list(text, &compiled.items, &others)?;
        let mut found = found.into_iter();
        let [next_value, page_value, field] = paths.map(|path| path.and_then(|_| found.next().flatten()));
        let following = match &compiled.pages {
            Some((place, kind)) => place.of(*kind, answer, page_value, items.last().copied())?,
            None => None,
        };
        if compiled.newest_first {
            items.reverse();
        }
        let next = match &compiled.next {
            Some(place) => match place.item_path() {
                Some(path) if compiled.pages.is_some() && compiled.kind == CursorKind::Number => {
                    greatest(&items, path)?
                }
                _ => place.of(compiled.kind, answer, next_value, items.last().copied())?,
            },
            None => None,
        };
        let has_next = if compiled.pages.is_some() { following.is_some() } else { next.is_some() };
        let signs = Signs { field, count: items.len(), limit: compiled.limit, has_next };
        let more = compiled.more.says(&signs)?;
        Ok(Self { items, next, following, more })
    }

    /// The items, to be read beside the next poll.
    pub(super) fn unread(&self, answer: &Answer, origin: &Origin, paths: &EventPaths) -> Unread {
        let items: Vec<Bytes> = self.items.iter().map(|item| slice(&answer.body, item)).collect();
        let (received, origin, paths) = (answer.received, origin.clone(), paths.clone());
        let read = move || {
            let (mut events, mut rejects) = (Vec::with_capacity(items.len()), Vec::new());
            let places = paths.places();
            for raw in items {
                match paths.event(&raw, &places, &origin, received) {
                    Ok(event) => events.push(event),
                    Err(reject) => rejects.push(*reject),
                }
            }
            (events, rejects)
        };
        Unread { count: self.items.len(), bytes: answer.body.len(), read: Box::new(read) }
    }
}

/// The greatest number that a path leads to in any of the items; those that have none do not count.
///
/// # Errors
/// None of them has one, and what stands there is something else, in words.
fn greatest(items: &[&RawValue], path: &Path) -> Result<Option<String>, String> {
    let texts = items.iter().filter_map(|item| scalar(path.find(item)).filter(|text| !text.is_empty()));
    let (numbers, others): (Vec<Cow<'_, str>>, Vec<_>) = texts.partition(|text| decimal::is_decimal(text));
    let greatest = numbers.into_iter().max_by(|left, right| decimal::compare(left, right));
    match (greatest, others.first()) {
        (Some(greatest), _) => Ok(Some(greatest.into_owned())),
        (None, None) => Ok(None),
        (None, Some(other)) => {
            Err(format!("`{path}` is no number: `{}`", other.chars().take(100).collect::<String>()))
        }
    }
}

//! Where the next cursor is, and what kind of text a cursor is.
//!
//! Invariant: a cursor is the API's own text: a number is kept as it is written, and nothing is cut off or made anew.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use sluicebox_core::{Period, Problem};
use sluicebox_http::Answer;
use sluicebox_polling::page::is_null;
use sluicebox_polling::path::Path;

use super::event::{path, scalar};
use super::pages::PageOptions;
use super::{decimal, link};

/// How the position in the feed is read from an answer. It is sent wherever the request says `{{ cursor }}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorOptions {
    /// Where an answer says where it ends.
    pub next: NextOptions,
    /// What kind of text it is.
    #[serde(default)]
    pub kind: CursorKind,
    /// What is sent while there is no cursor yet; unset: what names the cursor is left out.
    #[serde(default)]
    #[schemars(example = "0")]
    pub initial: Option<String>,
    /// How far before the cursor each sweep begins, for records that become visible after later ones. The cursor must be
    /// a time like `2026-06-12T10:00:00Z`, and the class `record_field`.
    #[serde(default)]
    pub overlap: Option<Period>,
    /// For APIs that answer in pages what came since the cursor: how the next page is asked for. The cursor moves when
    /// all pages are read, to the newest item of the sweep.
    #[serde(default)]
    pub pages: Option<PageOptions>,
}

/// Where the next cursor is. What is null, empty or not there leaves the cursor as it is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextOptions {
    /// A field of the answer's body, as a path: `nextCursor`.
    Body(String),
    /// A field of the last item, as a path: `id`.
    LastItem(String),
    /// A header of the answer.
    Header(String),
    /// The address in the header `Link` of this relation (RFC 8288): `next`.
    Link(String),
}

/// What kind of text a cursor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CursorKind {
    /// Any text. It is never looked into.
    #[default]
    Opaque,
    /// A decimal number that only grows, of any length, with or without a fraction: `42`, `1512085950.000216`. It is
    /// compared, and sent as it was given.
    Number,
    /// The address of the next page, on the same host: it is asked for as it is, instead of `path` and `query`.
    Url,
}

/// The place of the next cursor, ready to be looked at.
#[derive(Debug)]
pub(super) enum Next {
    Body(Path),
    LastItem(Path),
    Header(HeaderName),
    Link(String),
}

impl CursorOptions {
    /// What kind of text it is: links are addresses.
    pub(super) fn kind(&self) -> CursorKind {
        if matches!(self.next, NextOptions::Link(_)) { CursorKind::Url } else { self.kind }
    }

    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(super) fn compile(&self, problems: &mut Vec<Problem>) -> Option<Next> {
        if self.kind == CursorKind::Number
            && let Some(initial) = self.initial.as_deref().filter(|initial| !decimal::is_decimal(initial))
        {
            let message = format!("expected a number, as `cursor.kind` says, found `{initial}`");
            problems.push(Problem::new("cursor.initial", message));
        }
        if matches!(self.next, NextOptions::Link(_)) && self.kind == CursorKind::Number {
            problems.push(
                Problem::new("cursor.kind", "a link is an address and no number")
                    .with_help("remove `cursor.kind`"),
            );
        }
        if self.overlap.is_some() && self.kind() != CursorKind::Opaque {
            problems.push(Problem::new("cursor.overlap", "only a cursor that is a time can have an overlap"));
        }
        if self.pages.is_some() && self.kind() == CursorKind::Url {
            problems.push(
                Problem::new("cursor.pages", "a cursor that is an address already leads from page to page")
                    .with_help("remove `cursor.pages`, or let `cursor.next` be a field of the items"),
            );
        }
        match &self.next {
            NextOptions::Body(text) => path("cursor.next.body", text, problems).map(Next::Body),
            NextOptions::LastItem(text) => path("cursor.next.last_item", text, problems).map(Next::LastItem),
            NextOptions::Link(relation) => Some(Next::Link(relation.clone())),
            NextOptions::Header(name) => header("cursor.next.header", name, problems).map(Next::Header),
        }
    }
}

impl Next {
    /// The path in the body, if it is there.
    pub(super) fn body_path(&self) -> Option<&Path> {
        match self {
            Self::Body(path) => Some(path),
            _ => None,
        }
    }

    /// The header, if it is there.
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            _ => None,
        }
    }

    /// The path in an item, if it is there.
    pub(super) fn item_path(&self) -> Option<&Path> {
        match self {
            Self::LastItem(path) => Some(path),
            _ => None,
        }
    }

    /// The next cursor, if the answer gives one: `in_body` is what the path in the body leads to, `last` the last item.
    ///
    /// # Errors
    /// What stands there is no cursor of this kind, in words.
    pub(super) fn of(
        &self,
        kind: CursorKind,
        answer: &Answer,
        in_body: Option<&RawValue>,
        last: Option<&RawValue>,
    ) -> Result<Option<String>, String> {
        let header = |name: &HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let text = match self {
            Self::Body(path) => value(path, in_body)?,
            Self::LastItem(path) => value(path, last.and_then(|item| path.find(item)))?,
            Self::Header(name) => header(name).map(str::to_owned),
            Self::Link(relation) => link::target(&answer.headers, relation),
        };
        match text.filter(|text| !text.is_empty()) {
            Some(text) if kind == CursorKind::Number && !decimal::is_decimal(&text) => {
                Err(format!("the next cursor is no number: `{}`", text.chars().take(100).collect::<String>()))
            }
            text => Ok(text),
        }
    }
}

/// Reads the name of a header; what is wrong with it goes to `problems`.
pub(super) fn header(option: &str, name: &str, problems: &mut Vec<Problem>) -> Option<HeaderName> {
    let read = HeaderName::try_from(name).ok();
    if read.is_none() {
        let message = format!("`{}` is not the name of a header", name.escape_debug());
        problems.push(Problem::new(option, message));
    }
    read
}

fn value(path: &Path, value: Option<&RawValue>) -> Result<Option<String>, String> {
    match scalar(value) {
        Some(text) => Ok(Some(text.into_owned())),
        None if is_null(value) => Ok(None),
        None => Err(format!("`{path}` is neither a text nor a number")),
    }
}

//! Pages of a sweep: APIs that answer "what came since …" in several pages, each of which says how the next is asked for.
//!
//! A sweep reads all pages of what came since the cursor, and only then does the cursor move: to the newest item that
//! the sweep began with. Invariant: a position within a sweep says where the sweep began, which page is next and what
//! is the newest so far, so that a restart goes on, or reads the sweep again, and never skips a page.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{Problem, Timestamp};
use sluicebox_polling::quiet::Trail;

use super::cursor::{CursorKind, Next, header};
use super::decimal;
use super::event::path;
use super::progress::Progress;

/// How a position within a sweep begins, before its JSON.
const PREFIX: &str = "sweep ";

/// Where an answer says how its next page is asked for. It is sent wherever the request says `{{ page }}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PageOptions {
    /// A field of the answer's body, as a path: `response_metadata.next_cursor`.
    Body(String),
    /// A field of the item that the answer lists last, as a path: `id`.
    LastListed(String),
    /// A header of the answer.
    Header(String),
    /// A field of the answer's body, as a path, that holds the address of the next page, on the same host. It is asked
    /// for as it is, instead of `path` and `query`.
    Address(String),
    /// The address in the header `Link` of this relation (RFC 8288): `next`.
    Link(String),
}

impl PageOptions {
    /// Whether pages are addresses.
    pub(super) fn kind(&self) -> CursorKind {
        if matches!(self, Self::Address(_) | Self::Link(_)) { CursorKind::Url } else { CursorKind::Opaque }
    }

    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(super) fn compile(&self, problems: &mut Vec<Problem>) -> Option<Next> {
        match self {
            Self::Body(text) => path("cursor.pages.body", text, problems).map(Next::Body),
            Self::Address(text) => path("cursor.pages.address", text, problems).map(Next::Body),
            Self::LastListed(text) => path("cursor.pages.last_listed", text, problems).map(Next::LastItem),
            Self::Header(name) => header("cursor.pages.header", name, problems).map(Next::Header),
            Self::Link(relation) => Some(Next::Link(relation.clone())),
        }
    }
}

/// How it is told where the cursor goes after a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) which: Which,
    pub(super) order: Order,
}

/// Which page of a sweep says where the cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The first that says it: lists that begin with the newest item, and answers that say it of themselves. What comes
    /// while the sweep is under way is then never passed over.
    First,
    /// The one that says the greatest.
    Greatest,
    /// The last that says it: lists that end with the newest item.
    Last,
}

/// How cursors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Number,
    Time,
    /// They cannot be.
    Unknown,
}

impl Rule {
    /// What counts after another page.
    fn newest(self, known: Option<String>, page: Option<String>) -> Option<String> {
        let (Some(of_before), Some(of_page)) = (&known, &page) else { return known.or(page) };
        let takes_page = match self.which {
            Which::First => false,
            Which::Greatest => self.order.is_after(of_page, of_before),
            Which::Last => true,
        };
        if takes_page { page } else { known }
    }
}

impl Order {
    /// Whether a cursor is after another one; where that cannot be told, whether it is another one.
    fn is_after(self, cursor: &str, other: &str) -> bool {
        match self {
            Self::Number => decimal::compare(cursor, other).is_gt(),
            Self::Time => Timestamp::parse(cursor) > Timestamp::parse(other),
            Self::Unknown => cursor != other,
        }
    }
}

/// What a page of a sweep says.
pub(super) struct Step {
    /// Where the cursor would go after it.
    pub(super) newest: Option<String>,
    pub(super) page: Option<String>,
    pub(super) more: bool,
    /// Whether "more" is a field of the answer, and not concluded from it.
    pub(super) is_said: bool,
    pub(super) items: usize,
    /// Whether its newest item is all that is asked for.
    pub(super) only_newest: bool,
}

/// Where a sweep stands.
#[derive(Debug)]
pub(super) struct Round {
    rule: Rule,
    page: Option<String>,
    newest: Option<String>,
    /// The pages that were left behind in this sweep.
    trail: Trail,
    /// How often this sweep was begun again because a page was no longer available.
    pub(super) repeated: u32,
    /// How many pages led astray since a sweep last came to its end.
    pub(super) faults: u32,
    /// Whether this sweep brought items.
    has_items: bool,
    /// Whether the last sweep brought items of which none said where the cursor goes.
    pub(super) was_mute: bool,
}

/// A position within a sweep, as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    page: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
}

impl Round {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            page: None,
            newest: None,
            trail: Trail::default(),
            repeated: 0,
            faults: 0,
            has_items: false,
            was_mute: false,
        }
    }

    /// The page that is asked for next; none: the first one.
    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// Where the cursor would go if the sweep ended now.
    pub(super) fn newest(&self) -> Option<&str> {
        self.newest.as_deref()
    }

    /// Stands where a saved text says, and gives the cursor that the sweep began with.
    pub(super) fn stand(&mut self, saved: Option<String>) -> Option<String> {
        *self = Self::new(self.rule);
        let position = saved.as_deref().and_then(read);
        let Some(position) = position else { return saved };
        (self.page, self.newest) = (Some(position.page), position.newest);
        position.since
    }

    /// The text to save, `since` being the cursor that the sweep began with.
    pub(super) fn position(&self, since: Option<&str>) -> Option<String> {
        let since = since.map(str::to_owned);
        let Some(page) = self.page.clone() else { return since };
        let position = Position { since, page, newest: self.newest.clone() };
        // A struct of texts is always JSON.
        let json = serde_json::to_string(&position).unwrap_or_default();
        Some(format!("{PREFIX}{json}"))
    }

    /// After a page.
    pub(super) fn advance(&mut self, since: &mut Option<String>, step: Step) -> Progress {
        self.newest = self.rule.newest(self.newest.take(), step.newest);
        self.has_items |= step.items > 0;
        let more = step.more && !(step.only_newest && self.newest.is_some());
        match step.page.filter(|_| more) {
            // The boundary alone came again: there is nothing behind it.
            Some(page) if self.page() == Some(&page) && step.items <= 1 && !step.is_said => self.end(since),
            Some(page) if self.page() == Some(&page) => {
                self.faults = self.faults.saturating_add(1);
                return Progress::Fault("named the page that was asked for as the next one");
            }
            Some(page) if self.trail.holds(&page) => {
                // Who goes on in a circle never sees what is new at its beginning.
                let (repeated, faults) = (self.repeated, self.faults.saturating_add(1));
                *self = Self { repeated, faults, ..Self::new(self.rule) };
                return Progress::Fault("named a page as the next one that was read before");
            }
            Some(page) => {
                self.trail.leave(self.page.replace(page));
                return Progress::Forward;
            }
            None if more && step.is_said => {
                self.faults = self.faults.saturating_add(1);
                return Progress::Fault("promised more pages without saying how to ask for the next one");
            }
            None => self.end(since),
        }
        Progress::Still
    }

    /// The sweep is over: the cursor moves.
    pub(super) fn end(&mut self, since: &mut Option<String>) {
        let newest = self.newest.take();
        *self = Self { was_mute: self.has_items && newest.is_none(), ..Self::new(self.rule) };
        if let Some(newest) = newest
            && since.as_deref().is_none_or(|since| self.rule.order.is_after(&newest, since))
        {
            *since = Some(newest);
        }
    }

    /// The page is no longer available: the sweep begins again.
    pub(super) fn begin_again(&mut self) {
        let (repeated, faults) = (self.repeated.saturating_add(1), self.faults);
        *self = Self { repeated, faults, ..Self::new(self.rule) };
    }
}

fn read(saved: &str) -> Option<Position> {
    serde_json::from_str(saved.strip_prefix(PREFIX)?).ok()
}

/// The cursor that a saved text stands for where there are no pages any more: that with which its sweep began.
pub(super) fn without_pages(saved: Option<String>) -> Option<String> {
    match saved.as_deref().and_then(read) {
        Some(position) => position.since,
        None => saved,
    }
}

#[cfg(test)]
#[path = "pages/tests.rs"]
mod tests;

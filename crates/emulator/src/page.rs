//! A page of the feed, honest or bent by a fault, and its JSON.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::faults::FaultKind;

/// The keys of a page, which are all that distinguishes the pages of the two APIs.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) items: &'static str,
    pub(crate) cursor: &'static str,
    /// The key that says whether there are more; not every API says it.
    pub(crate) more: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The events, with commas between them.
    pub(crate) items: Vec<u8>,
    pub(crate) count: u64,
    /// The cursor that was asked with.
    pub(crate) sent: Option<String>,
    /// The cursor to ask with next.
    pub(crate) next: Option<String>,
    pub(crate) more: bool,
}

/// What was served before, for the faults that serve it again.
#[derive(Debug, Default)]
pub(crate) struct History {
    last: Option<(Bytes, u64)>,
    /// The cursors that were asked with, the newest last; neighbours differ.
    sent: VecDeque<String>,
}

impl History {
    fn remember(&mut self, body: &Bytes, page: &Page) {
        self.last = Some((body.clone(), page.count));
        if let Some(sent) = &page.sent
            && self.sent.back() != Some(sent)
        {
            self.sent.push_back(sent.clone());
            if self.sent.len() > 3 {
                self.sent.pop_front();
            }
        }
    }

    /// A cursor that was asked with before this page, so many pages back or as far as is known.
    fn earlier(&self, page: &Page, pages: usize) -> Option<String> {
        let mut known = self.sent.iter().rev().filter(|sent| page.sent.as_ref() != Some(sent)).take(pages);
        let first = known.next();
        known.last().or(first).cloned()
    }
}

/// Renders a page as the API does, bent by the fault if it is one that bends pages. Returns the body and the number of
/// events in it.
pub(crate) fn render(
    page: Page,
    shape: &Shape,
    fault: Option<&FaultKind>,
    history: &mut History,
) -> (Bytes, u64) {
    match fault {
        Some(FaultKind::DuplicatePage) if history.last.is_some() => history.last.clone().unwrap_or_default(),
        Some(FaultKind::WrongTypes) => (wrong_types(&page, shape).into(), 0),
        Some(FaultKind::MissingKeys) => ("{\"page\":1,\"ok\":true}".into(), 0),
        Some(kind) if kind.bends_pages() => {
            let bent = bend(page, kind, history);
            (bent.write(shape).into(), bent.count)
        }
        _ => {
            let body: Bytes = page.write(shape).into();
            history.remember(&body, &page);
            (body, page.count)
        }
    }
}

fn bend(mut page: Page, kind: &FaultKind, history: &History) -> Page {
    match kind {
        FaultKind::CursorBackwards => page.next = history.earlier(&page, 1).or(page.next),
        FaultKind::CursorCycle => {
            page.next = history.earlier(&page, 2).or(page.next);
            page.more = true;
        }
        FaultKind::StuckCursor => {
            page.next.clone_from(&page.sent);
            page.more = true;
        }
        FaultKind::NullCursor => page.next = None,
        FaultKind::EmptyPage => {
            page.more |= page.count > 0;
            page.items.clear();
            page.count = 0;
            page.next.clone_from(&page.sent);
        }
        FaultKind::HasMoreLie => page.more = true,
        FaultKind::HasMoreHidden => page.more = false,
        FaultKind::Poison => insert(&mut page.items, b"\"an event should be an object\""),
        FaultKind::Nameless => insert(&mut page.items, b"{\"note\":\"an event should have an id\"}"),
        _ => {}
    }
    page
}

/// Puts one more item before the others, the place where it does the most harm.
fn insert(items: &mut Vec<u8>, item: &[u8]) {
    let mut longer = item.to_vec();
    if !items.is_empty() {
        longer.push(b',');
    }
    longer.append(items);
    *items = longer;
}

fn wrong_types(page: &Page, shape: &Shape) -> String {
    let more = shape.more.map_or(String::new(), |more| format!(",\"{more}\":\"yes\""));
    format!("{{\"{}\":{{\"count\":{}}},\"{}\":1.5{more}}}", shape.items, page.count, shape.cursor)
}

impl Page {
    fn write(&self, shape: &Shape) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.items.len() + 128);
        out.extend_from_slice(format!("{{\"{}\":[", shape.items).as_bytes());
        out.extend_from_slice(&self.items);
        out.extend_from_slice(format!("],\"{}\":", shape.cursor).as_bytes());
        match &self.next {
            // Cursors of both APIs are digits or base64: nothing in them needs escaping.
            Some(next) => out.extend_from_slice(format!("\"{next}\"").as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        if let Some(more) = shape.more {
            out.extend_from_slice(format!(",\"{more}\":{}", self.more).as_bytes());
        }
        out.push(b'}');
        out
    }
}

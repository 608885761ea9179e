//! A source whose pages are those of the test.
//!
//! Invariant: like a feed, it gives the same page again from the same cursor; its faults happen as often as they say.

use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_config::{GivenFault, GivenPage};
use sluicebox_core::{
    AnySource, Batch, BuiltSource, CheckContext, Context, Cursor, Error, Event, Problem, Reject, Result,
    Source, SourceClass,
};

use crate::fault::Pending;
use crate::items::{Items, cursor_of};

/// Stands for the source of a plan.
pub(crate) struct ScriptedSpec {
    pub(crate) inner: Box<dyn AnySource>,
    pub(crate) pages: Vec<GivenPage>,
    /// Whether the events have passed the source before: they are given to a transform behind it.
    pub(crate) have_passed: bool,
}

#[async_trait]
impl AnySource for ScriptedSpec {
    fn class(&self) -> SourceClass {
        self.inner.class()
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSource> {
        let items = Items { source: Some(&*self.inner), cx, has_passed: self.have_passed, count: 0 };
        let steps = steps(items, &self.pages)?;
        // The client of an API is what `auth: {same_as: …}` looks for; it asks the wire of the test.
        if self.inner.api().is_some() || self.inner.talks_to().is_some() {
            self.inner.build(cx).await?;
        }
        let name = Arc::clone(&cx.component);
        Ok(BuiltSource::single(Scripted { name, steps, at: 0, cursor: None }))
    }
}

/// What comes of one poll.
enum Step {
    Page(Page),
    Fault(Pending),
}

struct Page {
    events: Vec<Event>,
    rejects: Vec<Reject>,
    cursor: Option<Cursor>,
}

fn steps(mut items: Items<'_>, pages: &[GivenPage]) -> Result<Vec<Step>> {
    let mut last: Option<Cursor> = None;
    let mut steps = Vec::with_capacity(pages.len());
    for page in pages {
        let (given, cursor) = match page {
            GivenPage::Fault(fault) => {
                let fault = Pending::new(GivenFault { body: None, ..fault.clone() });
                steps.push(Step::Fault(fault));
                continue;
            }
            GivenPage::Events(events, cursor) => (events, cursor),
        };
        let (mut events, mut rejects) = (Vec::with_capacity(given.len()), Vec::new());
        for item in given {
            match items.read(item)? {
                Ok(event) => events.push(event),
                Err(reject) => rejects.push(*reject),
            }
        }
        let said = cursor.clone().or_else(|| events.last().map(cursor_of));
        last = said.map(Cursor::from).or(last);
        steps.push(Step::Page(Page { events, rejects, cursor: last.clone() }));
    }
    Ok(steps)
}

struct Scripted {
    name: Arc<str>,
    steps: Vec<Step>,
    at: usize,
    cursor: Option<Cursor>,
}

#[async_trait]
impl Source for Scripted {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let ends_at = |step: &Step| matches!(step, Step::Page(page) if page.cursor.as_ref() == saved);
        let page = saved.and_then(|_| self.steps.iter().rposition(ends_at));
        self.at = page.map_or(0, |page| page + 1);
        self.cursor = saved.cloned();
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let pages = self.steps.len();
        loop {
            match self.steps.get_mut(self.at) {
                Some(Step::Fault(fault)) if fault.left == 0 => self.at += 1,
                Some(Step::Fault(fault)) => return Err(strike(fault, &self.name)),
                Some(Step::Page(page)) => {
                    self.at += 1;
                    self.cursor.clone_from(&page.cursor);
                    let rejects = page.rejects.iter().map(again).collect();
                    let caught_up = self.at == pages;
                    let batch = Batch::empty(self.cursor.clone());
                    return Ok(Some(Batch { events: page.events.clone(), rejects, caught_up, ..batch }));
                }
                None => return Ok(Some(Batch { caught_up: true, ..Batch::empty(self.cursor.clone()) })),
            }
        }
    }
}

fn strike(fault: &mut Pending, name: &str) -> Error {
    fault.strike(format_args!("the source `{name}`"))
}

fn again(reject: &Reject) -> Reject {
    Reject { event: reject.event.clone(), reason: reject.reason, error: reject.error.clone() }
}

//! A connector in use: the options of one source in a pipeline, put into the connector's declaration.
//!
//! Invariant: from here on it is `http_poll`, whose every promise and fault it shares.

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{
    AnySource, BuiltSource, CheckContext, Context, Event, Probe, Problem, Reject, Result, SourceClass,
};

use super::told::Written;
use crate::HttpPoll;

/// A source of a declared type.
pub(super) struct Connector {
    /// What begins the ids of its events.
    pub(super) family: String,
    /// The options that it was made of.
    pub(super) written: Written,
    pub(super) source: HttpPoll,
}

impl Connector {
    /// Everything that is wrong with it, at the options that its users wrote.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let problems = self.source.problems(&self.family).into_iter();
        problems.map(|problem| self.written.problem(problem)).collect()
    }
}

#[async_trait]
impl AnySource for Connector {
    fn class(&self) -> SourceClass {
        self.source.source_class()
    }

    fn talks_to(&self) -> Option<String> {
        self.source.shown_address()
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        self.problems()
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        self.source.item_of(&self.family, item, cx)
    }

    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSource> {
        self.source.build_of(&self.family, cx)
    }

    async fn probe(&self, cx: &Context) -> Probe {
        self.source.probe_of(&self.family, cx).await
    }
}

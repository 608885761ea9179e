//! A connector in use: the options of one source in a pipeline, put into the connector's declaration.
//!
//! Invariant: from here on it is `http_poll`, whose every promise and fault it shares.

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{
    AnySource, BuiltSource, CheckContext, Context, Event, Probe, Problem, Reject, Result, SourceClass,
};

use crate::HttpPoll;

/// A source of a declared type.
pub(super) struct Connector {
    pub(super) name: String,
    /// What begins the ids of its events.
    pub(super) family: String,
    /// The options that its users may set.
    pub(super) options: Vec<String>,
    pub(super) source: HttpPoll,
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
        let problems = self.source.problems(&self.family).into_iter();
        problems.map(|problem| self.for_users(problem)).collect()
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

impl Connector {
    /// A problem at an option that users see stays there; any other is told of the connector as a whole.
    fn for_users(&self, problem: Problem) -> Problem {
        let first = problem.path.split(['.', '[']).next().unwrap_or_default();
        if self.options.iter().any(|option| option == first) {
            return problem;
        }
        let message = format!("in the connector `{}`, `{}`: {}", self.name, problem.path, problem.message);
        Problem { path: String::new(), message, ..problem }
    }
}

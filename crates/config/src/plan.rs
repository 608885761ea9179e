//! What a correct pipeline file becomes: everything the engine needs, with nothing left to look up.
//!
//! Invariant: a [`Plan`] that exists is complete: names resolve, the graph has no cycle, every option is typed.

use std::path::PathBuf;
use std::sync::Arc;

use sluicebox_core::{
    AnyAccounts, AnySink, AnySource, AnyTransform, BatchOptions, BufferOptions, Delivery, Located,
    RetryOptions, SourceClass,
};
use smol_str::SmolStr;

use crate::{LocatedProblem, TestCase};

/// One pipeline, ready to be built and run.
pub struct Plan {
    /// `name:`, or the stem of the file.
    pub name: SmolStr,
    /// What to report if a pipeline beside this one has the same name: they would share one state.
    pub name_taken: LocatedProblem,
    /// The pipeline file as the user typed it.
    pub file: PathBuf,
    /// The folder that scripts and tables are relative to.
    pub folder: PathBuf,
    /// Sources in the order of the file.
    pub sources: Vec<SourcePlan>,
    /// Transforms, each after everything that it reads.
    pub transforms: Vec<TransformPlan>,
    /// Sinks in the order of the file.
    pub sinks: Vec<SinkPlan>,
    /// What every source→sink path promises.
    pub routes: Vec<Route>,
    /// What is legal but probably not meant.
    pub warnings: Vec<LocatedProblem>,
    /// The tests that stand in the same file; a run does not look at them.
    pub tests: Vec<TestCase>,
}

/// A source with its accounts.
pub struct SourcePlan {
    /// The component's name.
    pub name: SmolStr,
    /// Its `type:`.
    pub component_type: &'static str,
    /// How it may be polled; the same for every account.
    pub class: SourceClass,
    /// One poller each; at least one.
    pub accounts: Vec<AccountPlan>,
    /// Whether the file lists `accounts:` (then metrics carry the label `account`).
    pub accounts_listed: bool,
    /// Where the accounts came from, if the pipeline file does not list them.
    pub accounts_from: Option<AccountsFrom>,
    /// What does not match is discarded as `filtered`.
    pub when: Option<Located>,
    /// The ordering key as an expression; `None`: the source's own.
    pub key: Option<Located>,
    /// Whether the next page may be fetched while this one is in flight.
    pub prefetch: bool,
    /// What becomes of its dead letters.
    pub dead_letter: DeadLetterPolicy,
}

/// Accounts that come and go while their source runs.
#[derive(Clone)]
pub struct AccountsFrom {
    /// What holds their rows.
    pub place: AccountsPlace,
    /// A number for each account, in their order, that is another one when its row is.
    pub fingerprints: Vec<u64>,
    /// Whether the rows have been read. Until then one account stands for all of them, to check the options with.
    pub is_read: bool,
}

/// What holds the rows of accounts.
#[derive(Clone)]
pub enum AccountsPlace {
    /// A csv file.
    File(PathBuf),
    /// Anything else that a build of Sluicebox knows (a database); asked by whoever runs the plan, who then loads the
    /// pipeline again with [`Variables::account_rows`](crate::Variables::account_rows).
    Rows(Arc<dyn AnyAccounts>),
}

/// One account (partition) of a source.
pub struct AccountPlan {
    /// `id` of the account, or `account:`, or the component's name.
    pub id: SmolStr,
    /// The source's own options, with this account's fields filled in.
    pub config: Box<dyn AnySource>,
}

/// A transform.
pub struct TransformPlan {
    /// The component's name.
    pub name: SmolStr,
    /// Its `type:`.
    pub component_type: &'static str,
    /// What it reads; globs are expanded.
    pub inputs: Vec<Input>,
    /// What does not match goes on unchanged, or is discarded if `when_discards`.
    pub when: Option<Located>,
    /// See [`sluicebox_core::TransformSpec::when_discards`].
    pub when_discards: bool,
    /// Names of outputs beside the main one; every one of them is read by someone.
    pub outputs: Vec<SmolStr>,
    /// How a retryable failure is tried again.
    pub retry: RetryOptions,
    /// What becomes of its dead letters.
    pub dead_letter: DeadLetterPolicy,
    /// Its own options.
    pub config: Box<dyn AnyTransform>,
}

impl TransformPlan {
    /// Whether it asks somebody whose answers a test can give.
    pub fn is_lookup(&self) -> bool {
        !self.config.lookup_urls().is_empty() || self.config.looks_up_rows()
    }
}

/// A sink.
pub struct SinkPlan {
    /// The component's name.
    pub name: SmolStr,
    /// Its `type:`.
    pub component_type: &'static str,
    /// What it reads; globs are expanded.
    pub inputs: Vec<Input>,
    /// What does not match is discarded as `filtered`.
    pub when: Option<Located>,
    /// When a batch is written.
    pub batch: BatchOptions,
    /// How much may wait in front of it.
    pub buffer: BufferOptions,
    /// How a retryable failure is tried again.
    pub retry: RetryOptions,
    /// What was asked for, or the sink's default.
    pub delivery: Delivery,
    /// What becomes of its dead letters.
    pub dead_letter: DeadLetterPolicy,
    /// Its own options.
    pub config: Box<dyn AnySink>,
}

/// One edge's upper end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Input {
    /// The source or transform that is read.
    pub component: SmolStr,
    /// Its named output; `None`: the main one.
    pub output: Option<SmolStr>,
}

/// What becomes of events that cannot be processed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "String")]
pub enum DeadLetterPolicy {
    /// Kept in the pipeline's state until someone looks.
    #[default]
    Store,
    /// Counted and forgotten.
    Drop,
    /// Sent to this sink of the same pipeline, as events.
    Sink(SmolStr),
}

impl From<String> for DeadLetterPolicy {
    fn from(text: String) -> Self {
        match text.as_str() {
            "store" => Self::Store,
            "drop" => Self::Drop,
            _ => Self::Sink(text.into()),
        }
    }
}

/// What one source→sink path promises, for `check` and for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Route {
    /// The source component.
    pub source: SmolStr,
    /// The sink component.
    pub sink: SmolStr,
    /// What holds on this path.
    pub guarantee: Delivery,
    /// One clause that says why.
    pub why: String,
}

//! What is known of the events that reach a component before the first one arrives, and who judges a rule by it.
//!
//! Sources say which API they read, transforms what they do to an event, `config` follows the graph, and the registry
//! holds the judge: so `config` needs neither a rule language nor a catalogue of events.

use std::collections::BTreeSet;

use crate::Problem;

/// What a transform does to the shape of the events that go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// Nobody can tell: below it, nothing is known.
    #[default]
    Unknown,
    /// They go on as they came, if they go on.
    None,
    /// One top-level field is added or replaced, its content unknown.
    Adds(String),
}

/// What is known of the events that reach a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownEvents {
    /// The APIs that they come from, as [`SourceSpec::api`](crate::SourceSpec::api) names them; at least one.
    pub apis: BTreeSet<&'static str>,
    /// Top-level fields that were added on the way, their content unknown.
    pub added: BTreeSet<String>,
    /// Conditions that all of them matched on the way, as expressions.
    pub matched: BTreeSet<String>,
}

/// What kind of text a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleForm {
    /// An expression: `when:`, `key:`.
    Expression,
    /// Text with `{{ expressions }}` in it.
    Template,
}

/// Judges a rule by what is known of the events: what it asks for that is not there, what can never hold. Every problem
/// has its place inside the text; a rule that does not compile has none here. `None`: nothing is known of the events.
pub type RuleReview = fn(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem>;

//! What is known of the events that reach a component before the first one arrives, and who judges a rule by it.
//!
//! Sources say which API they read, transforms what they do to an event, `config` follows the graph, and the registry
//! holds the judge: so `config` needs neither a rule language nor a catalogue of events.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::{Located, Problem};

/// Names of fields, one inside the other: `event.data.total` is `data`, `total`.
pub type FieldPath = Vec<String>;

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
    /// These fields are added or replaced, their content unknown.
    Writes(BTreeSet<FieldPath>),
}

/// What a pipeline declares of the events of one source, as whoever judges rules has read it.
#[derive(Clone)]
pub struct DeclaredEvents {
    /// The source's name.
    pub source: String,
    /// The API that they come from, where there is one: then `meta.type` is their type.
    pub api: Option<&'static str>,
    /// What the judge made of the schemas; only it knows the type.
    pub read: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for DeclaredEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredEvents").field("source", &self.source).finish_non_exhaustive()
    }
}

impl PartialEq for DeclaredEvents {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.read, &other.read)
    }
}

impl Eq for DeclaredEvents {}

/// Reads the JSON Schemas that a pipeline declares for a source, whose API is told if it has one. `Err`: the schema, by
/// index, that is none, and why.
pub type SchemaReader =
    fn(api: Option<&str>, schemas: &[Value]) -> Result<Arc<dyn Any + Send + Sync>, (usize, String)>;

/// A script of a component, for its review.
#[derive(Clone, Debug)]
pub struct ScriptText {
    /// The path of the option that holds or names it.
    pub path: &'static str,
    /// Its text.
    pub text: Located,
    /// Whether the option names a file that holds it.
    pub is_file: bool,
}

/// What is known of the events that reach a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownEvents {
    /// The APIs that they come from, as [`SourceSpec::api`](crate::SourceSpec::api) names them, without those for which
    /// more is declared. This or `declared` holds at least one.
    pub apis: BTreeSet<&'static str>,
    /// What the pipeline declares of them, source by source.
    pub declared: Vec<DeclaredEvents>,
    /// Fields that were added on the way, their content unknown.
    pub added: BTreeSet<FieldPath>,
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
    /// A whole script, which may change the event.
    Script,
}

/// Judges a rule by what is known of the events: what it asks for that is not there, what can never hold. Every problem
/// has its place inside the text; a rule that does not compile has none here. `None`: nothing is known of the events.
pub type RuleReview = fn(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem>;

//! What a pack says of itself: the declaration of `pack.yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::state::StateOptions;

/// A pack: scripts that are used by name, with arguments.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    /// The name of the pack, which is that of its folder.
    pub(super) name: String,
    /// What it is for, in a sentence.
    pub(super) summary: String,
    /// A file of functions that all its scripts may call.
    #[serde(default)]
    pub(super) functions: Option<String>,
    /// Its scripts by name.
    #[schemars(length(min = 1))]
    pub(super) scripts: BTreeMap<String, ScriptDeclaration>,
}

/// A script of a pack.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptDeclaration {
    /// The file in the pack's folder.
    pub(super) file: String,
    /// What it does, in a sentence.
    pub(super) summary: String,
    /// What it can be given, by name; the script reads `args.NAME`.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// What it remembers, by name, without keys, which the script gives. A pipeline that uses it declares the same names
    /// under `state:`, and chooses how long and how much.
    #[serde(default)]
    pub(super) state: BTreeMap<String, StateOptions>,
    /// What it makes of events: documentation, and its tests.
    #[schemars(length(min = 1))]
    pub(super) examples: Vec<Example>,
}

/// One thing that a script can be given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub(super) kind: ParameterKind,
    /// What it is for, in a sentence.
    pub(super) doc: String,
    /// Whether it must be given.
    #[serde(default)]
    pub(super) required: bool,
    /// Its value where it is not given; without one it is missing (`()`).
    #[serde(default)]
    pub(super) default: Value,
    /// All values that it takes; none: any of its kind.
    #[serde(default)]
    pub(super) one_of: Vec<Value>,
}

/// The kind of value that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ParameterKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A map of anything.
    Map,
}

/// An event, arguments, and what comes of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    /// What it shows.
    pub(super) name: String,
    /// The arguments.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// Events that came before, oldest first, for a script that remembers.
    #[serde(default)]
    pub(super) before: Vec<Map<String, Value>>,
    /// The event, as `event`.
    pub(super) event: Map<String, Value>,
    /// Its type, as `meta.type`.
    #[serde(default)]
    pub(super) meta_type: String,
    /// The events that leave, by output; the main one is called `main`. None: the event is dropped.
    #[serde(default)]
    pub(super) expect: BTreeMap<String, Vec<Value>>,
    /// What the message of the dead letter holds that comes of it.
    #[serde(default)]
    pub(super) dead_letter: Option<String>,
}

impl ParameterKind {
    /// In words: `text`, `a list`.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }
}

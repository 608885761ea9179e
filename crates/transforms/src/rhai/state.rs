//! The option `state`: what a script remembers from event to event.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Located, Period, Problem};
use sluicebox_rules::{State, StateDeclaration, StateKind as Held};

/// The option.
const STATE: &str = "state";

/// One name of the state of a script.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateOptions {
    /// What it holds for each key: a `counter` (a whole number, 0 at first), a `value` (the last one; any JSON up to
    /// 64 KiB) or a `set` (items of up to 1 KiB of JSON, each once).
    pub kind: StateKind,
    /// The key where a call gives none: an expression over `event`, as it came, and `meta`. Unset: one for all events.
    #[serde(default)]
    #[schemars(example = "event.data.userId")]
    pub key: Option<Located>,
    /// How long after it was last written something is forgotten, in the time of the events. Unset: never for its age.
    #[serde(default)]
    #[schemars(example = "7d")]
    pub ttl: Option<Period>,
    /// Most keys (of a set: items of all its keys together). Beyond it, and beyond 64 MiB, those go first that were
    /// written least recently.
    #[serde(default = "max_keys")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_keys: usize,
    /// Most items of the set of one key; those go first that were added least recently. Unset: 1000.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_items: Option<usize>,
}

/// What a name of the state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StateKind {
    /// A whole number, counted up and down.
    Counter,
    /// The last value.
    Value,
    /// Items, each once.
    Set,
}

impl StateKind {
    /// The word for it in a pipeline file.
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Value => "value",
            Self::Set => "set",
        }
    }
}

fn max_keys() -> usize {
    100_000
}

impl From<&StateOptions> for StateDeclaration {
    fn from(options: &StateOptions) -> Self {
        let kind = match options.kind {
            StateKind::Counter => Held::Counter,
            StateKind::Value => Held::Value,
            StateKind::Set => Held::Set,
        };
        let ttl = options.ttl.map(|ttl| ttl.0);
        let (key, max_keys, max_items) = (options.key.clone(), options.max_keys, options.max_items);
        Self { kind, key, ttl, max_keys, max_items }
    }
}

/// The state that is declared; `None` where there is none.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn declared(options: &BTreeMap<String, StateOptions>) -> Result<Option<State>, Vec<Problem>> {
    if options.is_empty() {
        return Ok(None);
    }
    let declarations = options.iter().map(|(name, options)| (name.clone(), options.into())).collect();
    let under = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.under(STATE)).collect();
    State::declare(declarations).map(Some).map_err(under)
}

/// The state that a pipeline declares for a script of a pack, which says what it needs.
///
/// # Errors
/// Everything that is wrong with it. `script` is what messages call the script.
pub(super) fn of_pack(
    script: &str,
    needed: &BTreeMap<String, StateOptions>,
    given: &BTreeMap<String, StateOptions>,
) -> Result<Option<State>, Vec<Problem>> {
    let mut problems = Vec::new();
    let path = if given.is_empty() { "pack" } else { STATE };
    if needed.keys().any(|name| !given.contains_key(name)) {
        let problem =
            Problem::new(path, format!("`{script}` remembers, and what it may remember is not declared"));
        problems.push(problem.with_help(format!("add `state: {}`", in_words(needed))));
    }
    for (name, options) in given {
        let at = format!("{STATE}.{name}");
        match needed.get(name) {
            None => problems.push(Problem::new(at, format!("`{script}` remembers nothing under this name"))),
            Some(needed) if needed.kind != options.kind => {
                let problem = Problem::new(at, format!("`{script}` needs another kind"));
                problems.push(problem.with_help(format!("use `kind: {}`", needed.kind.as_str())));
            }
            Some(_) => {}
        }
    }
    if problems.is_empty() { declared(given) } else { Err(problems) }
}

/// As a pipeline declares it: `{ voice: { kind: value, ttl: 1d } }`; empty for no state.
pub(super) fn in_words(state: &BTreeMap<String, StateOptions>) -> String {
    let one = |(name, options): (&String, &StateOptions)| {
        let ttl = options.ttl.map(|ttl| format!(", ttl: {ttl}")).unwrap_or_default();
        format!("{name}: {{ kind: {}{ttl} }}", options.kind.as_str())
    };
    let all: Vec<String> = state.iter().map(one).collect();
    if all.is_empty() { String::new() } else { format!("{{ {} }}", all.join(", ")) }
}

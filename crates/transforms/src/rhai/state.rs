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
pub(super) fn declared(
    options: &BTreeMap<String, StateOptions>,
    is_of_pack: bool,
) -> Result<Option<State>, Vec<Problem>> {
    if options.is_empty() {
        return Ok(None);
    }
    if is_of_pack {
        let problem = Problem::new(STATE, "a script of a pack has no state");
        return Err(vec![problem.with_help("give the script as `file:` or `source:`")]);
    }
    let declarations = options.iter().map(|(name, options)| (name.clone(), options.into())).collect();
    let under = |problems: Vec<Problem>| problems.into_iter().map(|problem| problem.under(STATE)).collect();
    State::declare(declarations).map(Some).map_err(under)
}

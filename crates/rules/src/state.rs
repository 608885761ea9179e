//! The declared state of a script: counters, last values and sets that live from event to event.
//!
//! A script reaches it by names that are declared beside it, and nothing else: what each name holds, under which key,
//! how long and how much. Invariant: what a script remembers is a function of the events that it has seen, and an event
//! that becomes a dead letter has changed nothing.

mod calls;
mod entries;
mod keys;
mod operation;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rhai::Dynamic;
use sluicebox_core::{Located, Memory, Meta, Problem};
use smol_str::SmolStr;

use self::keys::KeyRule;
pub(crate) use self::operation::{Operation, StateHandle};
pub(crate) use self::session::call;
use crate::limits;
use crate::lower::Projection;
use crate::program::Program;
use crate::view::Needs;

/// What a name of the state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// A whole number for each key; 0 where there is none yet.
    Counter,
    /// The last value for each key: anything that JSON can hold.
    Value,
    /// Values for each key, each once.
    Set,
}

impl StateKind {
    /// `a counter`.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Counter => "a counter",
            Self::Value => "a value",
            Self::Set => "a set",
        }
    }

    /// What entries of another kind under the same name are told apart by.
    fn letter(self) -> char {
        match self {
            Self::Counter => 'c',
            Self::Value => 'v',
            Self::Set => 's',
        }
    }
}

/// One name of the state, as it is declared.
#[derive(Clone, Debug)]
pub struct StateDeclaration {
    /// What it holds.
    pub kind: StateKind,
    /// The key where a call gives none: an expression; `None`: one for all events.
    pub key: Option<Located>,
    /// How long after it was last written an entry is forgotten, in the time of the events; `None`: never for its age.
    pub ttl: Option<Duration>,
    /// Most keys; of a set, items of all its keys together.
    pub max_keys: usize,
    /// Most items of one set; `None` where it is no set, or a thousand.
    pub max_items: Option<usize>,
}

/// The state that a script declares, compiled.
#[derive(Clone, Debug)]
pub struct State {
    names: Arc<[Declared]>,
}

/// What a script that has a state remembers with.
#[derive(Clone, Debug)]
pub(crate) struct Remembering {
    pub(crate) state: State,
    /// Whose declared key some call uses.
    used: Vec<bool>,
}

impl Remembering {
    /// Looks at every call of a compiled script.
    ///
    /// # Errors
    /// The first call that cannot work, with its place.
    pub(crate) fn new(state: &State, program: &Program) -> Result<Self, Problem> {
        Ok(Self { state: state.clone(), used: calls::check(program, state)? })
    }

    /// What its keys are made from.
    pub(crate) fn needs(&self) -> Needs {
        self.keys().map(KeyRule::needs).fold(Needs::default(), Needs::and)
    }

    /// A projection with what its keys are made from.
    pub(crate) fn add_to(&self, reads: Projection) -> Projection {
        self.keys().fold(reads, |reads, key| key.add_to(reads))
    }

    fn keys(&self) -> impl Iterator<Item = &KeyRule> {
        let used = self.state.names.iter().zip(&self.used).filter(|(_, used)| **used);
        used.filter_map(|(declared, _)| declared.key.as_ref())
    }

    /// Runs `evaluate`, which may call the functions of `state`. `original` is the event as it came.
    pub(crate) fn during<T>(
        &self,
        memory: &mut Memory,
        (original, meta): (&mut Dynamic, &Meta),
        evaluate: impl FnOnce() -> T,
    ) -> T {
        let keys = keys::of(&self.state, &self.used, original, meta);
        session::lend(&self.state, keys, memory, evaluate)
    }
}

#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: SmolStr,
    pub(crate) kind: StateKind,
    key: Option<KeyRule>,
    /// In milliseconds.
    ttl: Option<i64>,
    max_keys: usize,
    max_items: usize,
    /// What the keys of its entries begin with.
    group: String,
}

impl State {
    /// Compiles a declaration.
    ///
    /// # Errors
    /// Everything that is wrong with it; paths begin at the name.
    pub fn declare(declarations: BTreeMap<String, StateDeclaration>) -> Result<Self, Vec<Problem>> {
        let (mut names, mut problems) = (Vec::new(), Vec::new());
        for (name, declaration) in declarations {
            match Declared::new(&name, declaration) {
                Ok(declared) => names.push(declared),
                Err(found) => problems.extend(found.into_iter().map(|problem| problem.under(&name))),
            }
        }
        if problems.is_empty() { Ok(Self { names: names.into() }) } else { Err(problems) }
    }

    /// Most entries that a memory for it may hold.
    pub fn max_entries(&self) -> usize {
        self.names.iter().map(|declared| declared.max_keys).sum()
    }

    /// A declared name, and its number.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Declared)> {
        self.names.iter().enumerate().find(|(_, declared)| declared.name == name)
    }

    /// Why there is no such name, and which was meant.
    pub(crate) fn unknown(&self, name: &str) -> (String, String) {
        let distance = |declared: &&Declared| strsim::damerau_levenshtein(name, &declared.name);
        let near = self.names.iter().min_by_key(distance);
        let near = near.filter(|near| distance(near) <= (name.chars().count() / 3).max(1));
        let names: Vec<String> = self.names.iter().map(|declared| format!("`{}`", declared.name)).collect();
        let help = match near {
            Some(near) => format!("did you mean `{}`?", near.name),
            None => format!("declared are {}", names.join(", ")),
        };
        (format!("`{name}` is not declared under `state:`"), help)
    }
}

impl Declared {
    fn new(name: &str, declaration: StateDeclaration) -> Result<Self, Vec<Problem>> {
        let StateDeclaration { kind, key, ttl, max_keys, max_items } = declaration;
        let mut problems = Vec::new();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > limits::STATE_NAME_BYTES || !name.chars().all(is_word) {
            let expected = "expected a name of letters, digits, `_` and `-`";
            problems.push(Problem::new("", format!("{expected}, found `{name}`")));
        }
        let key = key.map(|text| Program::expression(&text)).transpose();
        let key = key.map_err(|problem| problems.push(problem.under("key"))).unwrap_or_default();
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            problems.push(
                Problem::new("ttl", "expected a duration above zero")
                    .with_help("without `ttl` nothing is forgotten for its age"),
            );
        }
        for (path, count, most) in
            [("max_keys", Some(max_keys), limits::STATE_KEYS), ("max_items", max_items, limits::STATE_ITEMS)]
        {
            if let Some(count) = count.filter(|count| !(1..=most).contains(count)) {
                problems.push(Problem::new(path, format!("expected 1 to {most}, found {count}")));
            }
        }
        if max_items.is_some() && kind != StateKind::Set {
            let problem = Problem::new("max_items", format!("{} has no items", kind.in_words()));
            problems.push(problem.with_help("`max_keys` bounds how many keys are remembered"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: name.into(),
            kind,
            key: key.map(KeyRule::new),
            ttl: ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
            max_keys,
            max_items: max_items.unwrap_or(limits::STATE_ITEMS_DEFAULT),
            group: entries::group(kind, name),
        })
    }
}

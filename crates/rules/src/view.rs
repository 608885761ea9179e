//! An event as variables: what a rule's names stand for. Only what the rule mentions is built.

use rhai::{Dynamic, Map, Scope};
use sluicebox_core::Meta;

use crate::error::RuleError;
use crate::{budget, tree};

/// The variable that holds the upstream JSON.
pub(crate) const EVENT: &str = "event";
/// The variable that holds our envelope.
pub(crate) const META: &str = "meta";
/// The variable that holds the arguments of a script of a pack.
pub(crate) const ARGUMENTS: &str = "args";
/// The variable through which a script reaches its declared state.
pub(crate) const STATE: &str = "state";

/// Which variables a rule mentions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) event: bool,
    pub(crate) meta: bool,
}

impl Needs {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { event: self.event || other.event, meta: self.meta || other.meta }
    }
}

/// The names that a rule may use, for compiling it.
pub(crate) fn names() -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_dynamic(EVENT, Dynamic::UNIT);
    scope.push_constant_dynamic(META, Dynamic::UNIT);
    scope
}

/// The variables for one evaluation that only reads, of an event that has been read.
pub(crate) fn constants(tree: Dynamic, meta: &Meta, needs: Needs) -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_constant_dynamic(EVENT, tree);
    push_meta(&mut scope, meta, needs);
    scope
}

/// The variables for a script: it may change `event`.
pub(crate) fn script_variables(tree: Dynamic, meta: &Meta, needs: Needs) -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_dynamic(EVENT, tree);
    push_meta(&mut scope, meta, needs);
    scope
}

/// The event as a script left it.
pub(crate) fn take_event(variables: &mut Scope<'_>) -> Dynamic {
    match variables.get_mut(EVENT) {
        // What functions share is emptied where it is.
        Some(event) if !event.is_shared() => std::mem::take(event),
        _ => variables.get(EVENT).cloned().unwrap_or_default().flatten(),
    }
}

/// Reads the JSON of an event.
///
/// # Errors
/// It cannot be held as a tree.
pub(crate) fn read(json: &[u8]) -> Result<Dynamic, RuleError> {
    budget::reads(json.len());
    tree::read_event(json).map_err(|error| RuleError::unreadable(&error))
}

/// Adds our envelope, if it is needed.
pub(crate) fn push_meta(scope: &mut Scope<'static>, meta: &Meta, needs: Needs) {
    let value = if needs.meta { meta_map(meta) } else { Dynamic::UNIT };
    scope.push_constant_dynamic(META, value);
}

fn meta_map(meta: &Meta) -> Dynamic {
    let lookups = meta.lookups.iter().map(|(component, status)| {
        let status = Map::from([("status".into(), status.as_str().into())]);
        (component.as_str().into(), Dynamic::from_map(status))
    });
    let mut map = Map::new();
    map.insert("id".into(), meta.id.as_str().into());
    map.insert("type".into(), meta.event_type.as_str().into());
    map.insert("time".into(), meta.time.to_string().into());
    map.insert("source".into(), meta.source.as_ref().into());
    map.insert("account".into(), meta.account.as_ref().into());
    map.insert("key".into(), meta.key.as_str().into());
    map.insert("received".into(), meta.received.to_string().into());
    map.insert("lookups".into(), Dynamic::from_map(lookups.collect()));
    Dynamic::from_map(map)
}

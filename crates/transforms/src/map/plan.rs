//! A `map` compiled: what becomes of one event.
//!
//! Invariant: the six steps happen in their fixed order; within a step the order does not matter, which `conflicts`
//! sees to. An event that fails is not changed at all.

use std::borrow::Cow;

use bytes::Bytes;
use sluicebox_core::{DeadLetterError, Event, Problem, Reason};
use sluicebox_rules::RuleError;

use super::assigned::Setter;
use super::cast::CastType;
use super::path::{FieldPath, Step};
use super::tree::{Misfit, Node};
use super::{Map, OnCastError};

/// How much of a value a message shows, in characters.
const SHOWN: usize = 60;

/// A compiled `map`.
pub(super) struct Plan {
    pub(super) renames: Vec<(FieldPath, FieldPath)>,
    pub(super) sets: Vec<(FieldPath, Setter)>,
    /// Paths and JSON texts.
    pub(super) defaults: Vec<(FieldPath, String)>,
    pub(super) casts: Vec<(FieldPath, CastType)>,
    pub(super) on_cast_error: OnCastError,
    pub(super) removes: Vec<FieldPath>,
    /// `None`: everything.
    pub(super) keeps: Option<Vec<FieldPath>>,
}

/// An event that cannot be reshaped.
pub(super) struct Failure(pub(super) Reason, pub(super) DeadLetterError);

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self(error.reason(), error.into())
    }
}

impl From<Misfit> for Failure {
    fn from(misfit: Misfit) -> Self {
        Self(Reason::Validation, DeadLetterError::new(misfit.0))
    }
}

impl Plan {
    /// Compiles what the file says.
    ///
    /// # Errors
    /// Every path, expression and template that is wrong.
    pub(super) fn compile(map: &Map) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut read = |text: &str, entry: &str, key: &str| {
            let path = FieldPath::parse(text).map_err(|problem| problem.under(entry).under(key));
            path.map_err(|problem| problems.push(problem)).ok()
        };
        let mut renames = Vec::new();
        for (from, to) in &map.rename {
            let (source, target) = (read(from, from, "rename"), read(to, from, "rename"));
            renames.extend(source.zip(target));
        }
        let mut defaults = Vec::new();
        for (path, value) in &map.defaults {
            defaults.extend(read(path, path, "defaults").map(|path| (path, value.to_string())));
        }
        let mut casts = Vec::new();
        for (path, to) in &map.cast {
            casts.extend(read(path, path, "cast").map(|path| (path, *to)));
        }
        let mut list = |paths: &[String], key: &str| -> Vec<FieldPath> {
            let entries = paths.iter().enumerate();
            entries.filter_map(|(index, path)| read(path, &format!("[{index}]"), key)).collect()
        };
        let removes = list(&map.remove, "remove");
        let keeps = map.keep.as_ref().map(|paths| list(paths, "keep"));
        let mut sets = Vec::new();
        for (text, value) in &map.set {
            let under = |problem: Problem| problem.under(text).under("set");
            match (FieldPath::parse(text).map_err(under), value.compile().map_err(under)) {
                (Ok(path), Ok(setter)) => sets.push((path, setter)),
                (path, setter) => problems.extend(path.err().into_iter().chain(setter.err())),
            }
        }
        let on_cast_error = map.on_error;
        let plan = Self { renames, sets, defaults, casts, on_cast_error, removes, keeps };
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }

    /// The event's new JSON text; nothing if it stays as it is.
    ///
    /// # Errors
    /// Why the event is a dead letter.
    pub(super) fn apply(&self, event: &Event) -> Result<Option<Bytes>, Failure> {
        let json = event.json();
        let text = std::str::from_utf8(&json).map_err(|error| {
            Failure(Reason::Parse, DeadLetterError::new(format!("the event is not text: {error}")))
        })?;
        let mut tree = Node::new(text);
        let mut changed = self.rename(&mut tree)?;
        changed |= self.set(event, changed, &mut tree)?;
        changed |= self.fill(&mut tree)?;
        changed |= self.cast(&mut tree)?;
        for path in &self.removes {
            changed |= tree.take(path).is_some();
        }
        if let Some(paths) = &self.keeps {
            let paths: Vec<&[Step]> = paths.iter().map(FieldPath::steps).collect();
            tree.keep(&paths, &mut changed);
        }
        Ok(changed.then(|| Bytes::from(tree.text().into_owned())))
    }

    /// All values are taken out before the first is put back, so that names can be swapped.
    fn rename(&self, tree: &mut Node<'_>) -> Result<bool, Misfit> {
        let taken: Vec<_> = self.renames.iter().map(|(from, to)| (to, tree.take(from))).collect();
        let mut changed = false;
        for (to, value) in taken {
            if let Some(value) = value {
                tree.put(to, value)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// All values are found before the first is set: none sees another.
    fn set(&self, event: &Event, renamed: bool, tree: &mut Node<'_>) -> Result<bool, Failure> {
        let anew = renamed && self.sets.iter().any(|(_, setter)| setter.reads_event());
        let event = if anew {
            Cow::Owned(event.with_json(Bytes::from(tree.text().into_owned())))
        } else {
            Cow::Borrowed(event)
        };
        let mut values = Vec::with_capacity(self.sets.len());
        for (_, setter) in &self.sets {
            values.push(setter.value(&event, tree)?);
        }
        for ((path, _), value) in self.sets.iter().zip(values) {
            tree.put(path, Node::made(value))?;
        }
        Ok(!self.sets.is_empty())
    }

    fn fill(&self, tree: &mut Node<'_>) -> Result<bool, Misfit> {
        let mut changed = false;
        for (path, value) in &self.defaults {
            if tree.find(path.steps()).is_none_or(|found| found.is_null()) {
                tree.put(path, Node::made(value.clone()))?;
                changed = true;
            }
        }
        Ok(changed)
    }

    fn cast(&self, tree: &mut Node<'_>) -> Result<bool, Failure> {
        let mut changed = false;
        for (path, to) in &self.casts {
            let Some(found) = tree.find(path.steps()).filter(|found| !found.is_null()) else { continue };
            let text = found.text();
            let cast = match (to.cast(&text), self.on_cast_error) {
                (Some(cast), _) if cast == text => continue,
                (Some(cast), _) => cast,
                (None, OnCastError::Keep) => continue,
                (None, OnCastError::Null) => "null".to_owned(),
                (None, OnCastError::DeadLetter) => return Err(misfit(path, *to, &text)),
            };
            *found = Node::made(cast);
            changed = true;
        }
        Ok(changed)
    }
}

fn misfit(path: &FieldPath, to: CastType, text: &str) -> Failure {
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    let (to, expected) = (to.as_str(), to.expected());
    let message = format!("`{path}` cannot be cast to {to}: expected {expected}, found `{shown}{more}`");
    let help = "mend it in an earlier step, or let it pass with `on_error: keep` or `on_error: null`";
    Failure(
        Reason::Validation,
        DeadLetterError { help: Some(help.to_owned()), ..DeadLetterError::new(message) },
    )
}

//! Which events a part of a rule is about: those for which what was asked before it can be true.

use sluicebox_rules::{Claim, Compared, Comparison, PathStep, Read};

use super::Judge;
use super::candidate::{Candidate, TypeAt, TypePath};

/// Event types that may be at hand.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    /// Types that are known; none: nothing is said of fields.
    pub(super) types: Vec<Candidate<'a>>,
    /// Whether types that nobody knows may be at hand too: an open set.
    pub(super) others: bool,
    /// Whether nobody can tell any more what `event` is like.
    pub(super) is_lost: bool,
}

impl<'a> Scope<'a> {
    /// Every type that may arrive.
    pub(super) fn of(all: &[Candidate<'a>]) -> Self {
        Self { types: all.to_vec(), others: true, is_lost: false }
    }

    /// Where nobody can tell what `event` is like.
    pub(super) fn lost() -> Self {
        Self { types: Vec::new(), others: true, is_lost: true }
    }

    /// What may be at hand where two ways meet.
    pub(super) fn joined(mut self, other: Self) -> Self {
        if self.is_lost || other.is_lost {
            return Self::lost();
        }
        for candidate in other.types {
            if !self.types.iter().any(|own| std::ptr::eq(own.shape, candidate.shape)) {
                self.types.push(candidate);
            }
        }
        Self { others: self.others || other.others, ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

impl<'a> Judge<'a> {
    /// The event types for which every part can be true. None, if a part names a type that is not known: of the fields
    /// of such events nothing is known.
    pub(super) fn narrowed(&self, parts: &[&Claim], scope: &Scope<'a>) -> Scope<'a> {
        if scope.is_lost {
            return scope.clone();
        }
        let others = scope.others && parts.iter().all(|part| self.holds(part, None) != Some(false));
        if others && parts.iter().any(|part| self.names_a_stranger(part)) {
            return Scope { types: Vec::new(), others, is_lost: false };
        }
        let possible = |candidate: &&Candidate<'_>| {
            parts.iter().all(|part| self.holds(part, Some(candidate)) != Some(false))
        };
        let types = scope.types.iter().filter(possible).cloned().collect();
        Scope { types, others, is_lost: false }
    }

    /// Whether a condition is the same for all events at hand.
    pub(super) fn verdict(&self, condition: &Claim, scope: &Scope<'a>) -> Option<bool> {
        let constant = self.holds(condition, None).filter(|_| no_types(condition));
        if constant.is_some() || scope.is_lost {
            return constant;
        }
        let mut all = scope.types.iter().map(|candidate| self.holds(condition, Some(candidate)));
        let first = all.next()??;
        let others = !scope.others || self.holds(condition, None) == Some(first);
        (others && all.all(|holds| holds == Some(first))).then_some(first)
    }

    /// Whether a claim lets through events of a type that is not known, by its name.
    fn names_a_stranger(&self, claim: &Claim) -> bool {
        match claim {
            Claim::Compared(Compared { read, by: Comparison::Equal | Comparison::OneOf, with }) => {
                let Some(path) = self.type_path(read) else { return false };
                with.iter().filter_map(|literal| literal.value.as_str()).any(|name| !self.knows(path, name))
            }
            Claim::Not(part) => match &**part {
                Claim::Compared(Compared { read, by: Comparison::NotEqual, with }) => {
                    let Some(path) = self.type_path(read) else { return false };
                    with.iter().filter_map(|it| it.value.as_str()).any(|name| !self.knows(path, name))
                }
                Claim::All(parts) | Claim::Any(parts) => {
                    parts.iter().any(|part| self.names_a_stranger(&Claim::Not(Box::new(part.clone()))))
                }
                Claim::Not(part) => self.names_a_stranger(part),
                _ => false,
            },
            Claim::All(parts) | Claim::Any(parts) => parts.iter().any(|part| self.names_a_stranger(part)),
            _ => false,
        }
    }

    /// Whether some event type at this path has the name.
    fn knows(&self, path: TypePath<'_>, name: &str) -> bool {
        self.all.iter().any(|candidate| candidate.type_at(path) == TypeAt::Is(name))
    }

    /// Whether a claim holds for events of a type, if the type decides. `None`: for events of a type that is not known.
    fn holds(&self, claim: &Claim, candidate: Option<&Candidate<'_>>) -> Option<bool> {
        match claim {
            Claim::Constant(value) => Some(*value),
            Claim::Compared(compared) => self.compares(compared, candidate),
            Claim::All(parts) => self.join(parts, candidate, false),
            Claim::Any(parts) => self.join(parts, candidate, true),
            Claim::Not(part) => self.holds(part, candidate).map(|holds| !holds),
            Claim::Parts(_) | Claim::Read(_) | Claim::Asked { .. } => None,
        }
    }

    fn compares(&self, compared: &Compared, candidate: Option<&Candidate<'_>>) -> Option<bool> {
        let Compared { read, by, with } = compared;
        let path = self.type_path(read)?;
        let names: Option<Vec<&str>> = with.iter().map(|literal| literal.value.as_str()).collect();
        let names = names?;
        let Some(candidate) = candidate else {
            // Its name is none of those that are known.
            let all_known = names.iter().all(|name| self.knows(path, name));
            return match by {
                Comparison::Equal | Comparison::OneOf if all_known => Some(false),
                Comparison::NotEqual if all_known => Some(true),
                _ => None,
            };
        };
        let own = match candidate.type_at(path) {
            TypeAt::Is(name) => Some(name),
            TypeAt::Absent => None,
            TypeAt::Unknown => return None,
        };
        match by {
            Comparison::Equal | Comparison::OneOf => Some(own.is_some_and(|own| names.contains(&own))),
            Comparison::NotEqual => Some(own.is_none_or(|own| !names.contains(&own))),
            // On a field that is not there it is an error, which lets nothing through.
            Comparison::StartsWith => {
                Some(own.is_some_and(|own| names.iter().any(|start| own.starts_with(start))))
            }
            Comparison::Ordered => None,
        }
    }

    /// Whether joined claims hold: one that is `deciding` decides, else all must be known.
    fn join(&self, parts: &[Claim], candidate: Option<&Candidate<'_>>, deciding: bool) -> Option<bool> {
        let mut all_known = true;
        for part in parts {
            match self.holds(part, candidate) {
                Some(holds) if holds == deciding => return Some(deciding),
                Some(_) => {}
                None => all_known = false,
            }
        }
        all_known.then_some(!deciding)
    }

    /// The path as one to the type of events, if it is.
    pub(super) fn type_path<'r>(&self, read: &'r Read) -> Option<TypePath<'r>> {
        let [PathStep { name: Some(name), .. }] = &read.steps[..] else { return None };
        if read.is_meta {
            return (name == "type").then_some(TypePath::Meta);
        }
        let is_type = self.all.iter().any(|candidate| candidate.type_field == Some(name));
        (is_type && !self.added.iter().any(|added| added[0] == *name)).then_some(TypePath::Event(name))
    }
}

/// Whether a condition asks for nothing but constants.
fn no_types(condition: &Claim) -> bool {
    match condition {
        Claim::Constant(_) => true,
        Claim::Not(part) => no_types(part),
        Claim::All(parts) | Claim::Any(parts) => parts.iter().all(no_types),
        _ => false,
    }
}

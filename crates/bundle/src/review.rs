//! Judges rules by the event catalogue: unknown fields and types, and comparisons that can never hold.
//!
//! Here the rule language meets the catalogue; neither knows the other. Invariant: what could be right is never
//! reported. Where an open part of an event is read, where a default stands behind a field and no name is near, where
//! nothing is known of the events: silence.

mod comparison;
mod field;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use sluicebox_catalogue::{Catalogue, Shape};
use sluicebox_core::{KnownEvents, Problem, RuleForm};
use sluicebox_rules::{Claim, Compared, Comparison, PathStep, Read};

/// Judges one rule. It fits [`sluicebox_core::RuleReview`].
pub(crate) fn review(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem> {
    let claim = match form {
        RuleForm::Expression => Claim::of_expression(text),
        RuleForm::Template => Claim::of_template(text),
    };
    // What does not compile has been reported.
    let Ok(claim) = claim else { return Vec::new() };
    let catalogues: Option<Vec<&Catalogue>> =
        events.and_then(|events| events.apis.iter().map(|api| Catalogue::of_api(api)).collect());
    let all: Vec<Candidate> =
        catalogues.unwrap_or_default().into_iter().flat_map(Candidate::all_of).collect();
    let nothing = BTreeSet::new();
    let added = events.map_or(&nothing, |events| &events.added);
    let mut judge = Judge { all: &all, added, problems: Vec::new() };
    let matched = events.into_iter().flat_map(|events| &events.matched);
    let matched: Vec<Claim> = matched.filter_map(|text| Claim::of_expression(text).ok()).collect();
    let scope = judge.narrowed(&matched, &all);
    judge.claim(&claim, &scope);
    judge.problems
}

/// An event type that may arrive.
#[derive(Clone, Copy)]
struct Candidate {
    catalogue: &'static Catalogue,
    name: &'static str,
    shape: &'static Shape,
}

impl Candidate {
    fn all_of(catalogue: &'static Catalogue) -> impl Iterator<Item = Self> {
        catalogue.event_types().map(move |(name, shape)| Self { catalogue, name, shape })
    }

    /// Its type, if that is what the path leads to.
    fn type_at(&self, path: TypePath<'_>) -> Option<&'static str> {
        match path {
            TypePath::Meta => Some(self.name),
            TypePath::Event(field) => (field == self.catalogue.type_field()).then_some(self.name),
        }
    }
}

/// A path that leads to the type of an event.
#[derive(Clone, Copy)]
enum TypePath<'r> {
    /// `meta.type`
    Meta,
    /// `event.type`, or as that API calls it.
    Event(&'r str),
}

/// Goes through the claims of one rule.
struct Judge<'a> {
    /// Every event type that may arrive; none: nothing is known.
    all: &'a [Candidate],
    /// Top-level fields that were added on the way.
    added: &'a BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    /// Judges a claim about events of one of the types in `scope`.
    fn claim(&mut self, claim: &Claim, scope: &[Candidate]) {
        match claim {
            Claim::All(parts) => {
                let narrowed = self.narrowed(parts, scope);
                for part in parts {
                    self.claim(part, &narrowed);
                }
            }
            Claim::Any(parts) | Claim::Parts(parts) => parts.iter().for_each(|part| self.claim(part, scope)),
            Claim::Read(read) => drop(self.read(read, scope)),
            Claim::Compared(compared) => self.compared(compared, scope),
            Claim::Asked { of, name } => self.asked(of, name, scope),
        }
    }

    /// The event types for which every part can be true. None, if a part names a type that is not in the catalogue: of
    /// the fields of such events nothing is known.
    fn narrowed(&self, parts: &[Claim], scope: &[Candidate]) -> Vec<Candidate> {
        if parts.iter().any(|part| self.names_a_stranger(part)) {
            return Vec::new();
        }
        let possible =
            |candidate: &&Candidate| parts.iter().all(|part| self.holds(part, candidate).unwrap_or(true));
        scope.iter().filter(possible).copied().collect()
    }

    /// Whether a claim lets through events of a type that is not in the catalogue, by its name.
    fn names_a_stranger(&self, claim: &Claim) -> bool {
        match claim {
            Claim::Compared(Compared { read, by: Comparison::Equal | Comparison::OneOf, with }) => {
                let Some(path) = self.type_path(read) else { return false };
                let known = |name: &str| {
                    self.all
                        .iter()
                        .any(|candidate| candidate.type_at(path).is_some_and(|known| known == name))
                };
                with.iter().filter_map(|literal| literal.value.as_str()).any(|name| !known(name))
            }
            Claim::All(parts) | Claim::Any(parts) => parts.iter().any(|part| self.names_a_stranger(part)),
            _ => false,
        }
    }

    /// Whether a claim holds for events of a type, if the type decides.
    fn holds(&self, claim: &Claim, candidate: &Candidate) -> Option<bool> {
        match claim {
            Claim::Compared(Compared { read, by, with }) => {
                let path = self.type_path(read)?;
                let name = candidate.type_at(path);
                let mut literals = with.iter().map(|literal| literal.value.as_str());
                let fits = |fit: &dyn Fn(&str, &str) -> bool, literal: Option<&str>| {
                    name.zip(literal).is_some_and(|(name, literal)| fit(name, literal))
                };
                match by {
                    Comparison::Equal | Comparison::OneOf => {
                        Some(literals.any(|literal| fits(&|name, literal| name == literal, literal)))
                    }
                    Comparison::StartsWith => Some(
                        literals.any(|literal| fits(&|name, literal| name.starts_with(literal), literal)),
                    ),
                    Comparison::NotEqual | Comparison::Ordered => None,
                }
            }
            Claim::All(parts) => self.joined(parts, candidate, false),
            Claim::Any(parts) => self.joined(parts, candidate, true),
            Claim::Parts(_) | Claim::Read(_) | Claim::Asked { .. } => None,
        }
    }

    /// Whether joined claims hold: one that is `deciding` decides, else all must be known.
    fn joined(&self, parts: &[Claim], candidate: &Candidate, deciding: bool) -> Option<bool> {
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
    fn type_path<'r>(&self, read: &'r Read) -> Option<TypePath<'r>> {
        let [PathStep { name: Some(name), .. }] = &read.steps[..] else { return None };
        if read.is_meta {
            return (name == "type").then_some(TypePath::Meta);
        }
        let is_type = self.all.iter().any(|candidate| candidate.catalogue.type_field() == name);
        (is_type && !self.added.contains(name)).then_some(TypePath::Event(name))
    }

    /// The APIs, as people name them: `OpenTrain or Zenzap`.
    fn titles(&self) -> String {
        let titles: BTreeSet<&str> = self.all.iter().map(|candidate| candidate.catalogue.title()).collect();
        titles.into_iter().collect::<Vec<_>>().join(" or ")
    }

    fn report(&mut self, message: String, help: Option<String>, (line, column): (usize, usize)) {
        let problem = Problem { help, ..Problem::new("", message) }.inside(line, column);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// `a`, `b`, `c`; nothing if there are none or too many to be read.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    const MOST: usize = 12;
    let names: BTreeSet<&str> = names.into_iter().collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (1..=MOST).contains(&quoted.len()).then(|| quoted.join(", "))
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

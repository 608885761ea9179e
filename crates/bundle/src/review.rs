//! Judges rules by the event catalogue and by what a pipeline declares: unknown fields and types, comparisons that can
//! never hold, branches that are never reached.
//!
//! Here the rule language meets the catalogue; neither knows the other. Invariant: what could be right is never
//! reported. Where an open part of an event is read, where a default stands behind a field and no name is near, where
//! nothing is known of the events: silence.

mod candidate;
mod comparison;
mod field;
mod flow;
mod scope;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use sluicebox_catalogue::{Catalogue, Declared};
use sluicebox_core::{FieldPath, KnownEvents, Located, Problem, RuleForm};
use sluicebox_rules::{Claim, Flow, Surroundings};

use self::candidate::{Candidate, candidates};
use self::scope::Scope;

/// Judges one rule. It fits [`sluicebox_core::RuleReview`].
pub(crate) fn review(text: &str, form: RuleForm, events: Option<&KnownEvents>) -> Vec<Problem> {
    let all = events.map(candidates).unwrap_or_default();
    let mut judge = Judge::new(&all, events);
    let scope = judge.first_scope(events);
    match form {
        RuleForm::Script => {
            // What does not compile has been reported.
            let flow = Flow::of_script(&Located::whole_file(text, ""), &Surroundings::default());
            let _end = flow.map(|flow| judge.script(&flow.steps, scope));
        }
        RuleForm::Expression => drop(Claim::of_expression(text).map(|claim| judge.claim(&claim, &scope))),
        RuleForm::Template => drop(Claim::of_template(text).map(|claim| judge.claim(&claim, &scope))),
    }
    judge.problems
}

/// Reads the schemas that a pipeline declares for one source. It fits [`sluicebox_core::SchemaReader`].
pub(crate) fn read_schemas(
    api: Option<&str>,
    schemas: &[Value],
) -> Result<Arc<dyn Any + Send + Sync>, (usize, String)> {
    let declared = Declared::read(schemas).map_err(|(index, error)| (index, error.to_string()))?;
    Ok(Arc::new(match api.and_then(Catalogue::of_api) {
        Some(catalogue) => declared.with_catalogue(catalogue),
        None => declared,
    }))
}

/// Goes through the claims of one rule.
struct Judge<'a> {
    /// Every event type that may arrive; none: nothing is known.
    all: &'a [Candidate<'a>],
    /// Fields that were put in on the way, or by the script so far.
    added: BTreeSet<FieldPath>,
    /// Fields that the rule asked for, or gave a default for: whoever asks may know more than the catalogue.
    granted: BTreeSet<FieldPath>,
    /// Fields that the script puts in somewhere, perhaps further down.
    intended: BTreeSet<FieldPath>,
    problems: Vec<Problem>,
}

impl<'a> Judge<'a> {
    fn new(all: &'a [Candidate<'a>], events: Option<&KnownEvents>) -> Self {
        let added = events.map(|events| events.added.clone()).unwrap_or_default();
        let (granted, intended, problems) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Self { all, added, granted, intended, problems }
    }

    /// The events that a rule is asked about: those that matched everything on the way.
    fn first_scope(&self, events: Option<&KnownEvents>) -> Scope<'a> {
        let matched = events.into_iter().flat_map(|events| &events.matched);
        let matched: Vec<Claim> = matched.filter_map(|text| Claim::of_expression(text).ok()).collect();
        self.narrowed(&matched.iter().collect::<Vec<_>>(), &Scope::of(self.all))
    }

    /// Judges a claim about events of one of the types in `scope`.
    fn claim(&mut self, claim: &Claim, scope: &Scope<'a>) {
        match claim {
            Claim::All(parts) => {
                let narrowed = self.narrowed(&parts.iter().collect::<Vec<_>>(), scope);
                for part in parts {
                    self.claim(part, &narrowed);
                }
            }
            Claim::Any(parts) | Claim::Parts(parts) => {
                for part in parts {
                    self.claim(part, scope);
                }
            }
            Claim::Not(part) => self.claim(part, scope),
            Claim::Constant(_) => {}
            Claim::Read(read) => drop(self.read(read, scope)),
            Claim::Compared(compared) => self.compared(compared, scope),
            Claim::Asked { of, name } => self.asked(of, name, scope),
        }
    }

    /// Where the events come from, as people say it: `OpenTrain or Zenzap`.
    fn titles(&self) -> String {
        let titles: BTreeSet<&str> = self.all.iter().map(|candidate| candidate.title.as_str()).collect();
        titles.into_iter().collect::<Vec<_>>().join(" or ")
    }

    fn report(&mut self, message: String, help: Option<String>, (line, column): (usize, usize)) {
        self.add(Problem { help, ..Problem::new("", message) }.inside(line, column));
    }

    fn add(&mut self, problem: Problem) {
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

//! Whole scripts, statement by statement: which events are at hand where, and what is never reached.

use sluicebox_core::FieldPath;
use sluicebox_rules::{Claim, Step};

use super::Judge;
use super::scope::Scope;

impl<'a> Judge<'a> {
    /// Judges a whole script.
    pub(super) fn script(&mut self, steps: &[Step], scope: Scope<'a>) {
        self.intended = written(steps).cloned().collect();
        self.steps(steps, scope);
    }

    /// Judges statements, run for the events in `scope`; those that go on behind them. `None`: none does.
    fn steps(&mut self, steps: &[Step], scope: Scope<'a>) -> Option<Scope<'a>> {
        let mut scope = scope;
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Claims(claim) => self.claim(claim, &scope),
                Step::Writes(path) => drop(self.added.insert(path.clone())),
                Step::Forgets => scope = Scope::lost(),
                Step::If { .. } => {
                    let Some(after) = self.branches(step, scope) else {
                        if let Some(Step::Dead(place)) = steps.get(at + 1) {
                            self.dead(*place);
                        }
                        return None;
                    };
                    scope = after;
                }
                Step::Loop(body) => {
                    // What one round puts in, the next one finds.
                    self.foresee(body);
                    let first = if forgets(body) { Scope::lost() } else { scope.clone() };
                    let last = self.steps(body, first);
                    scope = last.into_iter().fold(scope, Scope::joined);
                }
                Step::Idle(problem) => self.add(problem.clone()),
                Step::Dead(place) => {
                    self.report(
                        "this is never reached: the script has ended before".to_owned(),
                        None,
                        *place,
                    );
                }
                Step::Ends => return None,
            }
        }
        Some(scope)
    }

    fn branches(&mut self, step: &Step, scope: Scope<'a>) -> Option<Scope<'a>> {
        let Step::If { condition, place, then, otherwise, otherwise_place } = step else {
            return Some(scope);
        };
        let before = self.problems.len();
        self.claim(condition, &scope);
        let verdict = self.verdict(condition, &scope);
        let is_told = self.problems.len() > before;
        match verdict {
            Some(false) if !is_told => self.never(*place),
            Some(true) if !is_told && otherwise_place.is_some() => {
                let message = "this is never reached: the condition before it always holds".to_owned();
                self.report(message, None, otherwise_place.unwrap_or(*place));
            }
            _ => {}
        }
        let negated = Claim::Not(Box::new(condition.clone()));
        let (yes, no) = (self.narrowed(&[condition], &scope), self.narrowed(&[&negated], &scope));
        let then = self.branch(then, yes, verdict != Some(false));
        let otherwise = self.branch(otherwise, no, verdict != Some(true));
        match (then, otherwise) {
            (Some(then), Some(otherwise)) => Some(then.joined(otherwise)),
            (then, otherwise) => then.or(otherwise),
        }
    }

    /// Judges a branch; of one that is never reached, only what it puts in counts.
    fn branch(&mut self, steps: &[Step], scope: Scope<'a>, is_reached: bool) -> Option<Scope<'a>> {
        if is_reached {
            return self.steps(steps, scope);
        }
        self.foresee(steps);
        None
    }

    fn dead(&mut self, place: (usize, usize)) {
        self.report("this is never reached: the script has ended before".to_owned(), None, place);
    }

    fn never(&mut self, place: (usize, usize)) {
        let message = "this never holds for the events that get here, so what depends on it is never reached";
        self.report(message.to_owned(), None, place);
    }

    /// Takes notice of everything that the steps put into the event.
    fn foresee(&mut self, steps: &[Step]) {
        self.added.extend(written(steps).cloned());
    }

    /// The rule asked for a field, or gave a default for it.
    pub(super) fn grant(&mut self, path: FieldPath) {
        self.granted.insert(path);
    }
}

/// Everything that steps put into the event.
fn written(steps: &[Step]) -> Box<dyn Iterator<Item = &FieldPath> + '_> {
    Box::new(steps.iter().flat_map(|step| -> Box<dyn Iterator<Item = &FieldPath>> {
        match step {
            Step::Writes(path) => Box::new(std::iter::once(path)),
            Step::If { then, otherwise, .. } => Box::new(written(then).chain(written(otherwise))),
            Step::Loop(body) => written(body),
            _ => Box::new(std::iter::empty()),
        }
    }))
}

fn forgets(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Forgets => true,
        Step::If { then, otherwise, .. } => forgets(then) || forgets(otherwise),
        Step::Loop(body) => forgets(body),
        _ => false,
    })
}

//! Conditions: `when:` of any component.

use sluicebox_core::{Event, Located, Problem};

use crate::budget;
use crate::coverage::Answers;
use crate::error::{RuleError, kind};
use crate::lower::{self, NativeCondition, Projection, Tier};
use crate::program::Program;

/// A compiled `when:`: an expression that is true or false for every event.
#[derive(Clone, Debug)]
pub struct Condition {
    program: Program,
    constant: Option<bool>,
    native: Result<NativeCondition, String>,
    reads: Projection,
    /// Told every answer, where somebody looks on.
    observed: Option<Answers>,
}

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub fn compile(text: &Located) -> Result<Self, Problem> {
        let program = Program::expression(text)?;
        let constant = match program.constant() {
            Some(value) => Some(value.as_bool().map_err(|found| {
                Problem::new("", format!("expected a condition, found {}", kind(found))).inside(1, 1)
            })?),
            None => None,
        };
        let native = match program.only_expression() {
            Some(expression) => NativeCondition::compile(expression),
            None => Err("it holds statements".to_owned()),
        };
        let observed = if constant.is_none() { Answers::of(text) } else { None };
        let reads = Projection::of(program.ast());
        Ok(Self { program, constant, native, reads, observed })
    }

    /// How it runs.
    pub fn tier(&self) -> Tier {
        Tier::of(&self.native)
    }

    /// The same condition, by the interpreter over the whole tree of every event: what all else is held against.
    #[must_use]
    pub fn interpreted(self) -> Self {
        Self { native: Err(lower::NOT_WANTED.to_owned()), reads: Projection::default(), ..self }
    }

    /// What the native form says of an event, if there is one and it can tell.
    pub fn native_answer(&self, event: &Event) -> Option<bool> {
        self.native.as_ref().ok()?.matches(event)
    }

    /// Whether it is true for an event.
    ///
    /// # Errors
    /// The rule failed on this event, or its value is neither true nor false: a dead letter.
    pub fn matches(&self, event: &Event) -> Result<bool, RuleError> {
        let answer = self.answer(event);
        if let (Some(observed), Ok(answer)) = (&self.observed, &answer) {
            observed.see(*answer);
        }
        answer
    }

    fn answer(&self, event: &Event) -> Result<bool, RuleError> {
        if let Some(constant) = self.constant {
            return Ok(constant);
        }
        if let Some(answer) = self.native_answer(event) {
            return Ok(answer);
        }
        let _budget = budget::begin();
        let mut variables = self.reads.variables(event, self.program.needs())?;
        let value = self.program.evaluate(&mut variables)?;
        value.as_bool().map_err(|found| {
            self.program
                .error(format!("expected true or false, found {}", kind(found)))
                .with_help("compare it: `event.x == true`, or give a default: `event.x ?? false`")
        })
    }
}

/// Compiles a condition for `check`.
///
/// # Errors
/// What is wrong, with the place inside the text.
pub fn check_condition(text: &str) -> Result<(), Problem> {
    Condition::compile(&Located::unplaced(text)).map(drop)
}

//! Conditions: `when:` of any component.

use sluicebox_core::{Event, Located, Problem};

use crate::error::{RuleError, kind};
use crate::lower::{NativeCondition, Tier};
use crate::program::Program;
use crate::{budget, view};

/// A compiled `when:`: an expression that is true or false for every event.
#[derive(Clone, Debug)]
pub struct Condition {
    program: Program,
    constant: Option<bool>,
    native: Result<NativeCondition, String>,
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
        Ok(Self { program, constant, native })
    }

    /// How it runs.
    pub fn tier(&self) -> Tier {
        match &self.native {
            Ok(_) => Tier::Native,
            Err(because) => Tier::Interpreted { because: because.clone() },
        }
    }

    /// The same condition, by the interpreter for every event: what the native form is held against.
    #[must_use]
    pub fn interpreted(self) -> Self {
        Self { native: Err("asked for".to_owned()), ..self }
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
        if let Some(constant) = self.constant {
            return Ok(constant);
        }
        let _budget = budget::begin();
        if let Some(answer) = self.native_answer(event) {
            return Ok(answer);
        }
        let mut variables = view::variables(event, self.program.needs())?;
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

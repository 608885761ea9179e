//! Expressions: `key:`, `columns:` and whatever else takes a value from an event.

use sluicebox_core::{Event, Located, Problem};

use crate::error::RuleError;
use crate::lower::Projection;
use crate::program::Program;
use crate::{budget, write};

/// A compiled expression over `event` and `meta`.
#[derive(Clone, Debug)]
pub struct Expression {
    program: Program,
    reads: Projection,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub fn compile(text: &Located) -> Result<Self, Problem> {
        Program::expression(text).map(|program| Self { reads: Projection::of(program.ast()), program })
    }

    /// Its value for an event as JSON; missing is `null`.
    ///
    /// # Errors
    /// The expression failed on this event, or its value has no JSON form: a dead letter.
    pub fn evaluate(&self, event: &Event) -> Result<serde_json::Value, RuleError> {
        let _budget = budget::begin();
        let mut variables = self.reads.variables(event, self.program.needs())?;
        let value = self.program.evaluate(&mut variables)?;
        let json = write::json(&value).map_err(|error| self.program.error(error.to_string()))?;
        serde_json::from_slice(&json).map_err(|error| self.program.error(error.to_string()))
    }
}

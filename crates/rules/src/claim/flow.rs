//! What a whole script does with the event, statement by statement, as far as it can be told without running it.
//!
//! Invariant: as with claims, less is said than the script does, never more. A script that has a variable of its own
//! called `event` or `meta` says nothing.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Stmt};
use sluicebox_core::{Effect, FieldPath, Located, Problem};

use super::steps::Builder;
use super::{Claim, Reader};
use crate::error::problem;
use crate::library::Surroundings;
use crate::view::{ARGUMENTS, EVENT, META, STATE};
use crate::{language, semicolons, view};

/// What a script does.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its statements, in order.
    pub steps: Vec<Step>,
    /// What it does to the shape of the events that go on.
    pub effect: Effect,
}

/// One thing that a script does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It evaluates an expression.
    Claims(Claim),
    /// It puts something into the event there.
    Writes(FieldPath),
    /// From here on nobody can tell what `event` is like.
    Forgets,
    /// It goes one of two ways.
    If {
        /// What decides.
        condition: Claim,
        /// Where it decides: line and column, from 1.
        place: (usize, usize),
        /// What it does if so.
        then: Vec<Step>,
        /// What it does if not.
        otherwise: Vec<Step>,
        /// Where that begins, if there is anything.
        otherwise_place: Option<(usize, usize)>,
    },
    /// It does this again and again.
    Loop(Vec<Step>),
    /// It throws away a value and changes nothing: the sentence, and where.
    Idle(Problem),
    /// What stands here is never reached: line and column, from 1.
    Dead((usize, usize)),
    /// It ends here, or the loop does.
    Ends,
}

impl Flow {
    /// What a script does. Of the functions of its pack nothing needs to be known.
    ///
    /// # Errors
    /// It does not compile.
    pub fn of_script(located: &Located, surroundings: &Surroundings<'_>) -> Result<Self, Problem> {
        let (text, places) = semicolons::close(&located.text).into_parts();
        let mut names = view::names();
        if surroundings.arguments.is_some() {
            names.push_constant_dynamic(ARGUMENTS, rhai::Dynamic::UNIT);
        }
        names.push_constant_dynamic(STATE, rhai::Dynamic::UNIT);
        // Not optimised: else branches that are never reached would be gone.
        let ast = language::engine()
            .compile_with_scope(&names, &text)
            .map_err(|error| problem(&error, &text, places.original(error.position())))?;
        if hides_the_event(&ast) {
            return Ok(Self { steps: Vec::new(), effect: Effect::Unknown });
        }
        let mut own: BTreeSet<String> =
            ast.iter_functions().map(|function| function.name.to_owned()).collect();
        own.extend(surroundings.library.into_iter().flat_map(|library| library.names.iter().cloned()));
        let reader = Reader::of_script(located, &places, surroundings.arguments);
        Ok(Builder::new(reader, own).flow(&ast))
    }
}

/// Whether a variable of the script's own is called `event` or `meta`.
fn hides_the_event(ast: &AST) -> bool {
    let mut hides = false;
    let is_ours = |name: &str| name == EVENT || name == META;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        hides |= match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(variable, ..))) => is_ours(variable.0.as_str()),
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                is_ours(parts.0.as_str()) || parts.1.as_ref().is_some_and(|counter| is_ours(counter.as_str()))
            }
            _ => false,
        };
        !hides
    });
    hides
}

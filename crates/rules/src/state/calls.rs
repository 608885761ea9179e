//! The calls of `state` in the text of a script: names, functions and arguments are looked at before any event.

use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};
use sluicebox_core::Problem;

use super::{Operation, State};
use crate::program::{Program, at};
use crate::view::STATE;

/// What a script does with `state`.
struct Calls<'s> {
    state: &'s State,
    /// Whose declared key some call uses.
    used: Vec<bool>,
    problem: Option<Problem>,
}

/// Looks at every call; gives the names whose declared key is used.
///
/// # Errors
/// The first call that cannot work, with its place.
pub(crate) fn check(program: &Program, state: &State) -> Result<Vec<bool>, Problem> {
    let mut calls = Calls { state, used: vec![false; state.names.len()], problem: None };
    let (mut mentioned, mut called) = (0, 0);
    program.walk(&mut |node| {
        let found = match node {
            ASTNode::Expr(Expr::Dot(pair, ..)) if is_state(&pair.lhs) => {
                called += 1;
                calls.member(&pair.rhs)
            }
            ASTNode::Expr(expression) if is_state(expression) => {
                mentioned += 1;
                Ok(())
            }
            ASTNode::Stmt(Stmt::Assignment(assignment)) if is_state(&assignment.1.lhs) => {
                Err((Problem::new("", "`state` is read-only"), assignment.1.lhs.position()))
            }
            ASTNode::Stmt(Stmt::Var(variable, ..)) if variable.0.name == STATE => {
                let problem = Problem::new("", "`state` is the declared state here");
                Err((problem.with_help("give the variable another name"), variable.0.pos))
            }
            _ => Ok(()),
        };
        if let Err((problem, position)) = found {
            calls.problem.get_or_insert_with(|| at(problem, program.inside(position)));
        }
    });
    // Handed to a function, or by another name, it may be asked for anything.
    if mentioned > called {
        calls.used.fill(true);
    }
    calls.problem.map_or(Ok(calls.used), Err)
}

fn is_state(expression: &Expr) -> bool {
    matches!(expression, Expr::Variable(variable, ..) if variable.1 == STATE)
}

impl Calls<'_> {
    /// What stands behind `state.`
    fn member(&mut self, member: &Expr) -> Result<(), (Problem, Position)> {
        match member {
            // `state.get("a").len()`
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => self.member(&pair.lhs),
            Expr::MethodCall(call, position) => self.call(call, *position),
            Expr::Property(property, position) => {
                let problem = Problem::new("", format!("`state` has no field `{}`", property.2));
                Err((problem.with_help(format!("write `state.get(\"{}\")`", property.2)), *position))
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position) -> Result<(), (Problem, Position)> {
        let Some(operation) = Operation::ALL.into_iter().find(|known| known.name() == call.name) else {
            let known: Vec<String> =
                Operation::ALL.iter().map(|known| format!("`{}`", known.name())).collect();
            let problem = Problem::new("", format!("`state` has no function `{}`", call.name));
            return Err((problem.with_help(format!("it has {}", known.join(", "))), position));
        };
        let Some(Expr::StringConstant(name, place)) = call.args.first() else {
            self.used.fill(true);
            return Ok(());
        };
        let Some((index, declared)) = self.state.find(name) else {
            let (message, help) = self.state.unknown(name);
            return Err((Problem::new("", message).with_help(help), *place));
        };
        match operation.gives_key((name, declared.kind), call.args.len() - 1) {
            Ok(gives_key) => self.used[index] |= !gives_key,
            Err(message) => return Err((Problem::new("", message), position)),
        }
        Ok(())
    }
}

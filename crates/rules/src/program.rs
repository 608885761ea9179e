//! Compiled Rhai text with its place: what conditions, expressions, templates and scripts are made of.

use rhai::{AST, ASTNode, Dynamic, Engine, Expr, OptimizationLevel, ParseError, Position, Scope, Stmt};
use sluicebox_core::{Located, Problem};

use crate::error::{RuleError, problem};
use crate::semicolons::Places;
use crate::view::{EVENT, META, Needs};
use crate::{budget, effects, language, semicolons, view};

/// A compiled text.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: AST,
    needs: Needs,
    /// Where it begins, without the text.
    place: Located,
    /// From places in what was compiled to places in what the user wrote.
    places: Places,
}

impl Program {
    /// One expression: no statements, nothing that only a script may call.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub(crate) fn expression(located: &Located) -> Result<Self, Problem> {
        if located.text.trim().is_empty() {
            return Err(Problem::new("", "expected an expression, found nothing"));
        }
        let program = Self::compile(located, Places::default(), |engine, scope, text| {
            engine.compile_expression_with_scope(scope, text)
        })?;
        match program.effect() {
            Some((name, position)) => {
                Err(at(Problem::new("", format!("`{name}` can be used in a `rhai` script only")), position))
            }
            None => Ok(program),
        }
    }

    /// A whole script.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub(crate) fn script(located: &Located) -> Result<Self, Problem> {
        let (text, places) = semicolons::close(&located.text).into_parts();
        let closed = Located { text, ..located.clone() };
        let program =
            Self::compile(&closed, places, |engine, scope, text| engine.compile_with_scope(scope, text))?;
        match program.assignment_to_meta() {
            Some(position) => Err(at(Problem::new("", "`meta` is read-only"), position)),
            None => Ok(program),
        }
    }

    fn compile(
        located: &Located,
        places: Places,
        parse: impl FnOnce(&Engine, &Scope<'_>, &str) -> Result<AST, ParseError>,
    ) -> Result<Self, Problem> {
        let engine = language::engine();
        let ast = parse(engine, &view::names(), &located.text).map_err(|error| {
            let position = places.original(error.position());
            problem(&error, &located.text, position)
        })?;
        // Optimised apart from parsing, with no scope: else `meta`, a constant, would be folded in as it is now.
        let ast = engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple);
        let mut needs = Needs::default();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = path.last() {
                needs.event |= variable.1 == EVENT;
                needs.meta |= variable.1 == META;
            }
            true
        });
        let place = Located { text: String::new(), ..located.clone() };
        Ok(Self { ast, needs, place, places })
    }

    /// Which variables it mentions.
    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    /// The value that it always has, if it is a constant.
    pub(crate) fn constant(&self) -> Option<Dynamic> {
        match self.ast.statements() {
            [Stmt::Expr(expression)] => expression.get_literal_value(None),
            _ => None,
        }
    }

    /// The expression that is the whole of it.
    pub(crate) fn only_expression(&self) -> Option<&Expr> {
        match self.ast.statements() {
            [Stmt::Expr(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Every function call in the text (methods are none): name, arguments, place.
    pub(crate) fn calls(&self, on_call: &mut dyn FnMut(&str, &[Expr], Position)) {
        self.ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(
                ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)),
            ) = path.last()
            {
                on_call(&call.name, &call.args, self.places.original(*position));
            }
            true
        });
    }

    /// Where something inside `meta` is assigned to; Rhai would change its copy and say nothing.
    fn assignment_to_meta(&self) -> Option<Position> {
        let mut found = None;
        self.ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
                && let Some(position) = position_in_meta(&assignment.1.lhs)
            {
                found = found.or(Some(self.places.original(position)));
            }
            true
        });
        found
    }

    fn effect(&self) -> Option<(String, Position)> {
        let mut found = None;
        self.calls(&mut |name, arguments, position| {
            let is_math = name == "log" && !matches!(arguments.first(), Some(Expr::StringConstant(..)));
            let is_array = name == "drop" && !arguments.is_empty();
            if effects::FUNCTIONS.contains(&name) && !is_math && !is_array && found.is_none() {
                found = Some((name.to_owned(), position));
            }
        });
        found
    }

    /// Runs it over `variables`.
    ///
    /// # Errors
    /// What went wrong, with its place in the user's file.
    pub(crate) fn evaluate(&self, variables: &mut Scope<'static>) -> Result<Dynamic, RuleError> {
        let engine = language::engine();
        budget::within(|| engine.eval_ast_with_scope::<Dynamic>(variables, &self.ast))
            .map(Dynamic::flatten)
            .map_err(|error| RuleError::evaluation(&error, &self.place, &self.places))
    }

    /// An error about the result as a whole.
    pub(crate) fn error(&self, message: impl Into<String>) -> RuleError {
        let position = self.ast.statements().last().map_or(Position::NONE, Stmt::position);
        RuleError::new(message).at(&self.place, self.places.original(position))
    }
}

/// The place of `meta` if the path begins there.
fn position_in_meta(path: &Expr) -> Option<Position> {
    match path {
        Expr::Dot(step, ..) | Expr::Index(step, ..) => position_in_meta(&step.lhs),
        Expr::Variable(variable, _, position) if variable.1 == META => Some(*position),
        _ => None,
    }
}

/// The problem with a position of the text.
pub(crate) fn at(problem: Problem, position: Position) -> Problem {
    match position.line() {
        Some(line) => problem.inside(line, position.position().unwrap_or(1).max(1)),
        None => problem,
    }
}

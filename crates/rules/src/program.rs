//! Compiled Rhai text with its place: what conditions, expressions, templates and scripts are made of.

use std::collections::BTreeSet;

use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalAltResult, Expr, OptimizationLevel, ParseError, Position, Scope, Stmt,
};
use sluicebox_core::{Located, Problem};

use crate::error::{RuleError, problem};
use crate::library::Surroundings;
use crate::lower::Flat;
use crate::origin::Origin;
use crate::semicolons::Places;
use crate::state::StateHandle;
use crate::view::{ARGUMENTS, EVENT, META, Needs, STATE};
use crate::{budget, coverage, effects, language, semicolons, unknown, view};

/// A compiled text.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: AST,
    /// The same with variables instead of paths, of a script that only reads.
    flat: Option<Box<Flat>>,
    needs: Needs,
    origin: Origin,
    /// What it sees as `args`.
    arguments: Option<Dynamic>,
    /// Whether its branches tell that they are reached.
    is_observed: bool,
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
        let origin = origin(located, Places::default());
        let program = Self::compile(&located.text, origin, None, |engine, scope, text| {
            engine.compile_expression_with_scope(scope, text)
        })?;
        match program.effect() {
            Some((name, position)) => {
                Err(at(Problem::new("", format!("`{name}` can be used in a `rhai` script only")), position))
            }
            None => program.refuse_unknown_functions().map(|()| program),
        }
    }

    /// A whole script.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub(crate) fn script(located: &Located, surroundings: &Surroundings<'_>) -> Result<Self, Problem> {
        let (mut text, places) = semicolons::close(&located.text).into_parts();
        let mut origin = origin(located, places);
        if let Some(library) = surroundings.library {
            text.insert_str(0, &library.text);
            origin.functions = Some((library.lines(), library.place.clone()));
        }
        let has_state = surroundings.state.is_some();
        let mut program = Self::compile(&text, origin, surroundings.arguments(), |engine, scope, text| {
            let mut scope = scope.clone();
            if has_state {
                scope.push_constant(STATE, StateHandle);
            }
            engine.compile_with_scope(&scope, text)
        })?;
        if !has_state {
            program.flatten(&text);
        }
        match program.assignment_to_constant() {
            Some((name, position)) => Err(at(Problem::new("", format!("`{name}` is read-only")), position)),
            None => Ok(program),
        }
    }

    /// Functions and nothing else.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text.
    pub(crate) fn functions(located: &Located) -> Result<Self, Problem> {
        let origin = origin(located, Places::default());
        let program = Self::compile(&located.text, origin, None, |engine, scope, text| {
            engine.compile_with_scope(scope, text)
        })?;
        match program.ast.statements().first() {
            Some(statement) => {
                let problem = Problem::new("", "expected functions (`fn name(…) { … }`) and nothing else");
                Err(at(problem, statement.position()))
            }
            None => program.refuse_unknown_functions().map(|()| program),
        }
    }

    fn compile(
        text: &str,
        mut origin: Origin,
        arguments: Option<Dynamic>,
        parse: impl Fn(&Engine, &Scope<'_>, &str) -> Result<AST, ParseError>,
    ) -> Result<Self, Problem> {
        let engine = language::engine();
        let mut names = view::names();
        if arguments.is_some() {
            names.push_constant_dynamic(ARGUMENTS, Dynamic::UNIT);
        }
        let mut ast = parse(engine, &names, text)
            .map_err(|error| problem(&error, text, origin.inside(error.position())))?;
        let mut is_observed = false;
        if let Some(marked) = coverage::mark(&ast, text, &origin) {
            // What cannot be marked is not observed.
            if let Ok(observed) = parse(language::observed_engine(), &names, &marked.text) {
                (ast, origin.marks, is_observed) = (observed, marked.observe(), true);
            }
        }
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
        Ok(Self { ast, flat: None, needs, origin, arguments, is_observed })
    }

    /// Looks for a flat form. `text` is what the script was parsed from.
    fn flatten(&mut self, text: &str) {
        if self.is_observed {
            return;
        }
        let flat = Flat::of(&self.ast, text, |paths, text| {
            let mut names = paths.clone();
            names.push_constant_dynamic(META, Dynamic::UNIT);
            if self.arguments.is_some() {
                names.push_constant_dynamic(ARGUMENTS, Dynamic::UNIT);
            }
            let engine = language::engine();
            let ast = engine.compile_with_scope(&names, text).ok()?;
            Some(engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple))
        });
        self.flat = flat.map(Box::new);
    }

    /// Refuses what calls a function that nobody has.
    ///
    /// # Errors
    /// The first, with its place inside the text.
    pub(crate) fn refuse_unknown_functions(&self) -> Result<(), Problem> {
        let marker = self.is_observed.then_some(coverage::REACHED);
        unknown::refuse(&self.ast, marker, |position| self.origin.inside(position))
    }

    /// The functions that the text declares.
    pub(crate) fn function_names(&self) -> BTreeSet<String> {
        self.ast.iter_functions().map(|function| function.name.to_owned()).collect()
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

    /// What Rhai parsed.
    pub(crate) fn ast(&self) -> &AST {
        &self.ast
    }

    /// The expression that is the whole of it.
    pub(crate) fn only_expression(&self) -> Option<&Expr> {
        match self.ast.statements() {
            [Stmt::Expr(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Everything in the text, from the outside in.
    pub(crate) fn walk(&self, on_node: &mut dyn FnMut(&ASTNode<'_>)) {
        self.ast.walk(&mut |path: &[ASTNode<'_>]| {
            path.last().into_iter().for_each(&mut *on_node);
            true
        });
    }

    /// The place in the user's text.
    pub(crate) fn inside(&self, position: Position) -> Position {
        self.origin.inside(position)
    }

    /// Every function call in the text (methods are none): name, arguments, place.
    pub(crate) fn calls(&self, on_call: &mut dyn FnMut(&str, &[Expr], Position)) {
        self.ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(
                ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position)),
            ) = path.last()
            {
                on_call(&call.name, &call.args, self.origin.inside(*position));
            }
            true
        });
    }

    /// Where something inside `meta` or `args` is assigned to; Rhai would change its copy and say nothing.
    fn assignment_to_constant(&self) -> Option<(&'static str, Position)> {
        let mut found = None;
        self.ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
                && let Some((name, position)) = self.position_in_constant(&assignment.1.lhs)
            {
                found = found.or(Some((name, self.origin.inside(position))));
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

    /// The flat form, if there is one.
    pub(crate) fn flat(&self) -> Option<&Flat> {
        self.flat.as_deref()
    }

    /// Runs it over `variables`.
    ///
    /// # Errors
    /// What went wrong, with its place in the user's file.
    pub(crate) fn evaluate(&self, variables: &mut Scope<'static>) -> Result<Dynamic, RuleError> {
        self.evaluate_ast(&self.ast, variables).map_err(|error| RuleError::evaluation(&error, &self.origin))
    }

    /// Runs its flat form over the variables of that; `None` if it failed.
    pub(crate) fn evaluate_flat(&self, flat: &Flat, variables: &mut Scope<'static>) -> Option<Dynamic> {
        self.evaluate_ast(flat.ast(), variables).ok()
    }

    fn evaluate_ast(&self, ast: &AST, variables: &mut Scope<'static>) -> Result<Dynamic, Box<EvalAltResult>> {
        let engine = if self.is_observed { language::observed_engine() } else { language::engine() };
        if let Some(arguments) = &self.arguments {
            variables.push_constant_dynamic(ARGUMENTS, arguments.clone());
        }
        budget::within(|| engine.eval_ast_with_scope::<Dynamic>(variables, ast)).map(Dynamic::flatten)
    }

    /// An error about the result as a whole.
    pub(crate) fn error(&self, message: impl Into<String>) -> RuleError {
        let position = self.ast.statements().last().map_or(Position::NONE, Stmt::position);
        let (place, position) = self.origin.find(position);
        RuleError::new(message).at(place, position)
    }

    /// The constant that a path begins at, with its place.
    fn position_in_constant(&self, path: &Expr) -> Option<(&'static str, Position)> {
        match path {
            Expr::Dot(step, ..) | Expr::Index(step, ..) => self.position_in_constant(&step.lhs),
            Expr::Variable(variable, _, position) if variable.1 == META => Some((META, *position)),
            Expr::Variable(variable, _, position) if variable.1 == ARGUMENTS && self.arguments.is_some() => {
                Some((ARGUMENTS, *position))
            }
            _ => None,
        }
    }
}

/// Where a text comes from.
fn origin(located: &Located, places: Places) -> Origin {
    let place = Located { text: String::new(), ..located.clone() };
    Origin { place, places, ..Origin::default() }
}

/// The problem with a position of the text.
pub(crate) fn at(problem: Problem, position: Position) -> Problem {
    match position.line() {
        Some(line) => problem.inside(line, position.position().unwrap_or(1).max(1)),
        None => problem,
    }
}

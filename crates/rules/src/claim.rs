//! What an expression reads and compares, as far as it can be told without running it: for checks against the known
//! shape of the events.
//!
//! Invariant: a claim says less than the expression, never more. Blocks, closures and variables of their own are left
//! out, and a path ends where it is no longer written out.

mod calls;
mod chain;
mod ending;
mod flow;
mod idle;
mod reader;
mod steps;
#[cfg(test)]
mod tests;
mod writes;

use rhai::Stmt;
use serde_json::Value;
use sluicebox_core::{Located, Problem};

pub(crate) use self::chain::{Chain, Link};
pub use self::flow::{Flow, Step};
use self::reader::Reader;
use crate::error::problem;
use crate::{language, template, view};

/// What an expression reads and compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// Joined by `&&`: where one part is false, the others do not matter.
    All(Vec<Claim>),
    /// Joined by `||`.
    Any(Vec<Claim>),
    /// `!`
    Not(Box<Claim>),
    /// `true` or `false`, written out.
    Constant(bool),
    /// Parts of anything else, each for itself.
    Parts(Vec<Claim>),
    /// A value is read.
    Read(Read),
    /// A value is compared with literals.
    Compared(Compared),
    /// `"name" in path`, which asks a map for a field and a text for a part; also `is_missing(path.name)`.
    Asked {
        /// What is asked.
        of: Read,
        /// What for.
        name: Literal,
    },
}

/// A path that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Whether it begins at `meta`; else at `event`.
    pub is_meta: bool,
    /// From there on, as far as it is written out.
    pub steps: Vec<PathStep>,
    /// Whether a default stands behind it: `path ?? default`.
    pub has_default: bool,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathStep {
    /// The name of a field; `None`: an item of an array.
    pub name: Option<String>,
    /// Line and column in the text, from 1.
    pub place: (usize, usize),
}

/// A comparison of a path with literals.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What is compared.
    pub read: Read,
    /// How.
    pub by: Comparison,
    /// With what: one, except for [`Comparison::OneOf`].
    pub with: Vec<Literal>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`, `<=`, `>`, `>=`
    Ordered,
    /// `path in [literals]`
    OneOf,
    /// `path.starts_with(literal)`
    StartsWith,
}

/// A literal with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// What it is; `()` is null.
    pub value: Value,
    /// Line and column in the text, from 1.
    pub place: (usize, usize),
}

impl Claim {
    /// What an expression claims: a `when:`, a `key:`, the value of a column.
    ///
    /// # Errors
    /// It does not compile.
    pub fn of_expression(text: &str) -> Result<Self, Problem> {
        Self::of(&Located::whole_file(text, ""))
    }

    /// What the expressions of a template claim.
    ///
    /// # Errors
    /// One does not compile, or is never closed.
    pub fn of_template(text: &str) -> Result<Self, Problem> {
        let expressions = template::expressions(&Located::whole_file(text, ""))?;
        expressions.iter().map(Self::of).collect::<Result<_, _>>().map(Self::Parts)
    }

    /// Places are those that `located` gives. Not optimised, which would join literals and lose their places.
    fn of(located: &Located) -> Result<Self, Problem> {
        let ast = language::engine()
            .compile_expression_with_scope(&view::names(), &located.text)
            .map_err(|error| problem(&error, &located.text, error.position()))?;
        match ast.statements() {
            [Stmt::Expr(expression)] => Ok(Reader::of(located).claim(expression)),
            _ => Ok(Self::Parts(Vec::new())),
        }
    }
}

//! Claims read out of compiled expressions.

use rhai::{Dynamic, Expr, FnCallExpr, Position, Stmt};
use serde_json::{Map, Value};
use sluicebox_core::Located;

use super::chain::{Chain, Link};
use super::{Claim, Compared, Comparison, Literal, PathStep, Read};
use crate::semicolons::Places;
use crate::view::{ARGUMENTS, EVENT, META};
use crate::write;

/// Reads claims out of a compiled expression.
#[derive(Clone, Copy)]
pub(super) struct Reader<'l> {
    located: &'l Located,
    /// From places in what was compiled to places in what the user wrote.
    places: Option<&'l Places>,
    /// What a script of a pack is given.
    arguments: Option<&'l Map<String, Value>>,
}

impl<'l> Reader<'l> {
    /// For an expression.
    pub(super) fn of(located: &'l Located) -> Self {
        Self { located, places: None, arguments: None }
    }

    /// For a script.
    pub(super) fn of_script(
        located: &'l Located,
        places: &'l Places,
        arguments: Option<&'l Map<String, Value>>,
    ) -> Self {
        Self { located, places: Some(places), arguments }
    }

    /// Line and column in the user's text.
    pub(super) fn place(&self, position: Position) -> (usize, usize) {
        let position = self.places.map_or(position, |places| places.original(position));
        let (line, column) = (position.line().unwrap_or(1), position.position().unwrap_or(1));
        self.located.place(line, column).unwrap_or((line, column))
    }

    /// What an expression claims.
    pub(super) fn claim(&self, expression: &Expr) -> Claim {
        match expression {
            Expr::And(parts, _) => Claim::All(parts.iter().map(|part| self.claim(part)).collect()),
            Expr::Or(parts, _) => Claim::Any(parts.iter().map(|part| self.claim(part)).collect()),
            Expr::Coalesce(parts, _) => {
                let last = parts.len().saturating_sub(1);
                let part = |(index, part)| match self.claim(part) {
                    Claim::Read(read) => Claim::Read(Read { has_default: index < last, ..read }),
                    other => other,
                };
                Claim::Parts(parts.iter().enumerate().map(part).collect())
            }
            Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) => self.chain(expression),
            Expr::FnCall(call, _) => self.call(call),
            Expr::BoolConstant(value, _) => Claim::Constant(*value),
            Expr::Array(items, _) | Expr::InterpolatedString(items, _) => self.parts(items.iter()),
            Expr::Map(map, _) => self.parts(map.0.iter().map(|(_, value)| value)),
            // What `${…}` holds is a block.
            Expr::Stmt(block) => match block.statements() {
                [Stmt::Expr(expression)] => self.claim(expression),
                _ => Claim::Parts(Vec::new()),
            },
            _ => Claim::Parts(Vec::new()),
        }
    }

    fn parts<'e>(&self, parts: impl Iterator<Item = &'e Expr>) -> Claim {
        Claim::Parts(parts.map(|part| self.claim(part)).collect())
    }

    pub(super) fn call(&self, call: &FnCallExpr) -> Claim {
        let compared = match (call.name.as_str(), &call.args[..]) {
            ("==", [left, right]) => self.compared(left, right, Comparison::Equal),
            ("!=", [left, right]) => self.compared(left, right, Comparison::NotEqual),
            ("<" | "<=" | ">" | ">=", [left, right]) => self.compared(left, right, Comparison::Ordered),
            // `a in b` is `contains(b, a)`.
            ("contains", [of, name]) => self.contained(of, name),
            ("!", [negated]) => Some(Claim::Not(Box::new(self.claim(negated)))),
            ("is_missing", [path]) => self.read(path).and_then(asked),
            _ => None,
        };
        compared.unwrap_or_else(|| self.parts(call.args.iter()))
    }

    /// A comparison of a path with a literal, whichever comes first.
    fn compared(&self, left: &Expr, right: &Expr, by: Comparison) -> Option<Claim> {
        let (read, literal) = match (self.read(left), self.literal(right)) {
            (Some(read), Some(literal)) => (read, literal),
            _ => (self.read(right)?, self.literal(left)?),
        };
        Some(Claim::Compared(Compared { read, by, with: vec![literal] }))
    }

    fn contained(&self, of: &Expr, name: &Expr) -> Option<Claim> {
        if let (Some(of), Some(name)) = (self.read(of), self.literal(name)) {
            return Some(Claim::Asked { of, name });
        }
        let with = self.literals(of)?;
        Some(Claim::Compared(Compared { read: self.read(name)?, by: Comparison::OneOf, with }))
    }

    /// The literals of an array.
    fn literals(&self, array: &Expr) -> Option<Vec<Literal>> {
        match array {
            Expr::Array(items, _) => items.iter().map(|item| self.literal(item)).collect(),
            _ => None,
        }
    }

    fn literal(&self, expression: &Expr) -> Option<Literal> {
        // A character equals a text of one character.
        if matches!(expression, Expr::CharConstant(..)) {
            return None;
        }
        let value = expression.get_literal_value(None)?;
        Some(Literal { value: json(&value)?, place: self.place(expression.position()) })
    }

    /// A path and nothing else.
    fn read(&self, expression: &Expr) -> Option<Read> {
        match self.claim(expression) {
            Claim::Read(read) => Some(read),
            _ => None,
        }
    }

    fn chain(&self, expression: &Expr) -> Claim {
        let chain = Chain::of(expression);
        let root = match chain.base {
            Expr::Variable(variable, ..) if variable.2.is_empty() => variable.1.as_str(),
            base => return self.loose(Some(base), &chain.links),
        };
        if root != EVENT && root != META {
            return self.loose(None, &chain.links);
        }
        let steps: Vec<PathStep> = chain.links.iter().map_while(|link| self.step(link)).collect();
        let rest = &chain.links[steps.len()..];
        let read = Read { is_meta: root == META, steps, has_default: false };
        match rest {
            [] => Claim::Read(read),
            [Link { what: Expr::MethodCall(call, _), .. }] => self.method(read, call),
            rest => Claim::Parts(vec![Claim::Read(read), self.loose(None, rest)]),
        }
    }

    /// A name that is written out, or one of the arguments.
    pub(super) fn text(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::StringConstant(text, _) => Some(text.to_string()),
            Expr::Coalesce(parts, _) => parts.iter().find_map(|part| self.text(part)),
            _ => {
                let chain = Chain::of(expression);
                let (Expr::Variable(variable, ..), [Link { what: Expr::Property(property, _), .. }]) =
                    (chain.base, &chain.links[..])
                else {
                    return None;
                };
                let given = self.arguments.filter(|_| variable.1 == ARGUMENTS)?;
                given.get(property.2.as_str())?.as_str().map(str::to_owned)
            }
        }
    }

    pub(super) fn step(&self, link: &Link<'_>) -> Option<PathStep> {
        let place = self.place(link.what.position());
        match link.what {
            Expr::Property(property, _) if !link.in_brackets => {
                Some(PathStep { name: Some(property.2.to_string()), place })
            }
            Expr::StringConstant(name, _) if link.in_brackets => {
                Some(PathStep { name: Some(name.to_string()), place })
            }
            Expr::IntegerConstant(..) if link.in_brackets => Some(PathStep { name: None, place }),
            what if link.in_brackets => self.text(what).map(|name| PathStep { name: Some(name), place }),
            _ => None,
        }
    }

    fn method(&self, read: Read, call: &FnCallExpr) -> Claim {
        match (call.name.as_str(), &call.args[..]) {
            ("is_missing", []) if !read.steps.is_empty() => asked(read.clone()).unwrap_or(Claim::Read(read)),
            ("contains", [name]) => match self.literal(name) {
                Some(name) => Claim::Asked { of: read, name },
                None => Claim::Parts(vec![Claim::Read(read), self.claim(name)]),
            },
            ("starts_with", [Expr::StringConstant(text, position)]) => {
                let literal = Literal { value: text.as_str().into(), place: self.place(*position) };
                Claim::Compared(Compared { read, by: Comparison::StartsWith, with: vec![literal] })
            }
            (_, arguments) => Claim::Parts(vec![Claim::Read(read), self.parts(arguments.iter())]),
        }
    }

    /// What is not a path of ours: only what stands in brackets and among arguments can claim anything.
    fn loose(&self, base: Option<&Expr>, links: &[Link<'_>]) -> Claim {
        let inner = links.iter().flat_map(|link| match link.what {
            Expr::MethodCall(call, _) => call.args.iter().collect::<Vec<_>>(),
            what if link.in_brackets => vec![what],
            _ => Vec::new(),
        });
        self.parts(base.into_iter().chain(inner))
    }
}

/// What `is_missing` asks for.
fn asked(mut read: Read) -> Option<Claim> {
    let PathStep { name, place } = read.steps.pop()?;
    Some(Claim::Asked { of: read, name: Literal { value: Value::from(name?), place } })
}

fn json(value: &Dynamic) -> Option<Value> {
    serde_json::from_slice(&write::json(value).ok()?).ok()
}

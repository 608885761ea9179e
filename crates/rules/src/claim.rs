//! What an expression reads and compares, as far as it can be told without running it: for checks against the known
//! shape of the events.
//!
//! Invariant: a claim says less than the expression, never more. Blocks, closures and variables of their own are left
//! out, and a path ends where it is no longer written out.

use rhai::{ASTFlags, Dynamic, Expr, FnCallExpr, Position, Stmt};
use serde_json::Value;
use sluicebox_core::{Located, Problem};

use crate::error::problem;
use crate::view::{EVENT, META};
use crate::{language, template, view, write};

/// What an expression reads and compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// Joined by `&&`: where one part is false, the others do not matter.
    All(Vec<Claim>),
    /// Joined by `||`.
    Any(Vec<Claim>),
    /// Parts of anything else, each for itself.
    Parts(Vec<Claim>),
    /// A value is read.
    Read(Read),
    /// A value is compared with literals.
    Compared(Compared),
    /// `"name" in path`, which asks a map for a field and a text for a part.
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
            [Stmt::Expr(expression)] => Ok(Reader { located }.claim(expression)),
            _ => Ok(Self::Parts(Vec::new())),
        }
    }
}

/// Reads claims out of a compiled expression.
struct Reader<'l> {
    located: &'l Located,
}

/// A chain of dots and brackets, taken apart.
pub(crate) struct Chain<'e> {
    pub(crate) base: &'e Expr,
    pub(crate) links: Vec<Link<'e>>,
}

impl<'e> Chain<'e> {
    /// Takes an expression apart; what is no chain is a base without links.
    pub(crate) fn of(expression: &'e Expr) -> Self {
        let mut chain = Self { base: expression, links: Vec::new() };
        take_apart(expression, &mut chain);
        chain
    }
}

/// What stands behind a dot, or in brackets.
pub(crate) struct Link<'e> {
    pub(crate) what: &'e Expr,
    pub(crate) in_brackets: bool,
}

impl Reader<'_> {
    fn place(&self, position: Position) -> (usize, usize) {
        let (line, column) = (position.line().unwrap_or(1), position.position().unwrap_or(1));
        self.located.place(line, column).unwrap_or((line, column))
    }

    /// What an expression claims.
    fn claim(&self, expression: &Expr) -> Claim {
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

    fn call(&self, call: &FnCallExpr) -> Claim {
        let compared = match (call.name.as_str(), &call.args[..]) {
            ("==", [left, right]) => self.compared(left, right, Comparison::Equal),
            ("!=", [left, right]) => self.compared(left, right, Comparison::NotEqual),
            ("<" | "<=" | ">" | ">=", [left, right]) => self.compared(left, right, Comparison::Ordered),
            // `a in b` is `contains(b, a)`.
            ("contains", [of, name]) => self.contained(of, name),
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

    fn step(&self, link: &Link<'_>) -> Option<PathStep> {
        let place = self.place(link.what.position());
        match link.what {
            Expr::Property(property, _) if !link.in_brackets => {
                Some(PathStep { name: Some(property.2.to_string()), place })
            }
            Expr::StringConstant(name, _) if link.in_brackets => {
                Some(PathStep { name: Some(name.to_string()), place })
            }
            Expr::IntegerConstant(..) if link.in_brackets => Some(PathStep { name: None, place }),
            _ => None,
        }
    }

    fn method(&self, read: Read, call: &FnCallExpr) -> Claim {
        match (call.name.as_str(), &call.args[..]) {
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

/// Finds the base of a chain and what follows it. Rhai binds chains to the right: `a.b.c` is `a.(b.c)`.
fn take_apart<'e>(expression: &'e Expr, chain: &mut Chain<'e>) {
    match expression {
        Expr::Dot(pair, flags, _) => {
            take_apart(&pair.lhs, chain);
            follow(&pair.rhs, false, *flags, chain);
        }
        Expr::Index(pair, flags, _) => {
            take_apart(&pair.lhs, chain);
            follow(&pair.rhs, true, *flags, chain);
        }
        base => chain.base = base,
    }
}

fn follow<'e>(expression: &'e Expr, in_brackets: bool, flags: ASTFlags, chain: &mut Chain<'e>) {
    let (pair, inner, next_in_brackets) = match expression {
        Expr::Dot(pair, inner, _) if !flags.contains(ASTFlags::BREAK) => (pair, inner, false),
        Expr::Index(pair, inner, _) if !flags.contains(ASTFlags::BREAK) => (pair, inner, true),
        what => return chain.links.push(Link { what, in_brackets }),
    };
    chain.links.push(Link { what: &pair.lhs, in_brackets });
    follow(&pair.rhs, next_in_brackets, *inner, chain);
}

fn json(value: &Dynamic) -> Option<Value> {
    serde_json::from_slice(&write::json(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Read` and `Compared` as short text.
    fn shown(claim: &Claim) -> String {
        let list = |parts: &[Claim], by: &str| {
            let parts: Vec<String> = parts.iter().map(shown).filter(|part| !part.is_empty()).collect();
            if parts.len() > 1 { format!("({})", parts.join(by)) } else { parts.concat() }
        };
        let path = |read: &Read| {
            let root = if read.is_meta { "meta" } else { "event" };
            let step =
                |step: &PathStep| step.name.as_ref().map_or("[]".to_owned(), |name| format!(".{name}"));
            let steps: String = read.steps.iter().map(step).collect();
            format!("{root}{steps}{}", if read.has_default { "?" } else { "" })
        };
        match claim {
            Claim::All(parts) => list(parts, " & "),
            Claim::Any(parts) => list(parts, " | "),
            Claim::Parts(parts) => list(parts, " "),
            Claim::Read(read) => path(read),
            Claim::Compared(Compared { read, by, with }) => {
                let with: Vec<String> = with.iter().map(|literal| literal.value.to_string()).collect();
                format!("{} {by:?} {}", path(read), with.join(","))
            }
            Claim::Asked { of, name } => format!("{} in {}", name.value, path(of)),
        }
    }

    fn claim(text: &str) -> Claim {
        Claim::of_expression(text).unwrap()
    }

    #[test]
    fn paths_are_told_as_far_as_they_are_written_out() {
        for (text, expected) in [
            ("event", "event"),
            ("event.data.contractId", "event.data.contractId"),
            ("event?.data?.contractId", "event.data.contractId"),
            (r#"event["a-b"].c["d"][0].e[1][2]"#, "event.a-b.c.d[].e[][]"),
            ("event.a[event.b.c].d", "(event.a event.b.c)"),
            ("event[meta.key]", "(event meta.key)"),
            ("event.text.len() + 1", "event.text"),
            (r#"meta.type.split(".")[0] in ["a", "b"]"#, "meta.type"),
            ("event.a.b(event.c).d", "(event.a event.c)"),
            ("(event.a ?? event.b).c", "(event.a? event.b)"),
            ("event.a ?? event.b ?? 1", "(event.a? event.b?)"),
            ("`x ${event.a} y`", "event.a"),
            ("#{a: event.a, b: [event.b]}", "(event.a event.b)"),
            ("parse_json(event.a).b", "event.a"),
            ("if event.a { event.b } else { 1 }", ""),
            ("event.items.filter(|item| item.x == 1)", "event.items"),
            ("1 + 2", ""),
        ] {
            assert_eq!(shown(&claim(text)), expected, "{text}");
        }
    }

    #[test]
    fn comparisons_with_literals_are_told() {
        for (text, expected) in [
            (r#"event.a == "x""#, r#"event.a Equal "x""#),
            (r#""x" != event.a"#, r#"event.a NotEqual "x""#),
            ("event.a >= 1.5", "event.a Ordered 1.5"),
            ("-1 < event.a", "event.a Ordered -1"),
            ("event.a == ()", "event.a Equal null"),
            ("event.a == event.b", "(event.a event.b)"),
            ("event.a == 'x'", "event.a"),
            (r#"meta.type in ["a", "b"]"#, r#"meta.type OneOf "a","b""#),
            (r#"meta.type in ["a", event.b]"#, "(event.b meta.type)"),
            (r#""x" in event.data"#, r#""x" in event.data"#),
            (r#"!("x" in event.data)"#, r#""x" in event.data"#),
            (r#"event.data.contains("x")"#, r#""x" in event.data"#),
            (r#"meta.type.starts_with("a.")"#, r#"meta.type StartsWith "a.""#),
            (r#"(event.a ?? "") == "x""#, "event.a?"),
        ] {
            assert_eq!(shown(&claim(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_joined_stays_joined() {
        let text = r#"meta.type == "a" && (event.b == 1 || !event.c) && event.d"#;
        assert_eq!(shown(&claim(text)), r#"(meta.type Equal "a" & (event.b Equal 1 | event.c) & event.d)"#);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let places = |claim: &Claim| match claim {
            Claim::Compared(Compared { read, with, .. }) => {
                let steps: Vec<_> = read.steps.iter().map(|step| step.place).collect();
                (steps, with[0].place)
            }
            other => panic!("{other:?}"),
        };
        let text = "event\n  .data[\"x\"] == 1";
        assert_eq!(places(&claim(text)), (vec![(2, 4), (2, 9)], (2, 17)));
        let Claim::Parts(parts) = Claim::of_template("a {{ meta.id }}\n ü {{ event.x == 1 }}").unwrap()
        else {
            panic!("a template has parts")
        };
        assert_eq!(places(&parts[1]), (vec![(2, 13)], (2, 18)));
        assert!(Claim::of_template("{{ event.x").is_err());
        assert!(Claim::of_expression("event.").is_err());
    }
}

//! From what Rhai parsed to a [`Node`], or why not.
//!
//! Invariant: a text is lowered only where each of its parts means here what it means to the interpreter, whatever the
//! event holds; everything else is declined with its reason.

use memchr::memmem::Finder;
use rhai::{Dynamic, Expr, FnCallExpr};

use super::fields::Fields;
use super::node::{Envelope, Literal, Node};
use super::value::{Comparison, Function, Value};
use crate::claim::{Chain, Link};
use crate::view::{EVENT, META};

/// Why a text is interpreted.
pub(super) type Lowering<T> = Result<T, String>;

/// Lowers expressions and numbers the fields that they read.
#[derive(Default)]
pub(super) struct Compiler {
    pub(super) fields: Fields,
}

impl Compiler {
    /// Lowers an expression.
    pub(super) fn node(&mut self, expression: &Expr) -> Lowering<Node> {
        if let Some(literal) = literal(expression) {
            return literal.map(Node::Literal);
        }
        match expression {
            Expr::And(parts, _) => Ok(Node::All(self.nodes(parts)?)),
            Expr::Or(parts, _) => Ok(Node::Any(self.nodes(parts)?)),
            Expr::Coalesce(parts, _) => Ok(Node::Default(self.nodes(parts)?)),
            Expr::FnCall(call, _) => self.call(call),
            Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) => self.chain(expression),
            Expr::Map(..) => Err("a map is made".to_owned()),
            Expr::Array(..) => Err("a list is made".to_owned()),
            Expr::InterpolatedString(..) => Err("a text with `${…}` is made".to_owned()),
            _ => Err("it holds statements or values of its own".to_owned()),
        }
    }

    fn nodes(&mut self, expressions: &[Expr]) -> Lowering<Vec<Node>> {
        expressions.iter().map(|expression| self.node(expression)).collect()
    }

    fn pair(&mut self, left: &Expr, right: &Expr) -> Lowering<Box<(Node, Node)>> {
        Ok(Box::new((self.node(left)?, self.node(right)?)))
    }

    fn call(&mut self, call: &FnCallExpr) -> Lowering<Node> {
        if call.is_qualified() || call.capture_parent_scope {
            return Err(unknown(&call.name));
        }
        let compare = |by| move |pair| Node::Compare(by, pair);
        match (call.name.as_str(), &call.args[..]) {
            ("==", [left, right]) => self.pair(left, right).map(compare(Comparison::Equal)),
            ("!=", [left, right]) => self.pair(left, right).map(compare(Comparison::Different)),
            ("<", [left, right]) => self.pair(left, right).map(compare(Comparison::Less)),
            ("<=", [left, right]) => self.pair(left, right).map(compare(Comparison::AtMost)),
            (">", [left, right]) => self.pair(left, right).map(compare(Comparison::Greater)),
            (">=", [left, right]) => self.pair(left, right).map(compare(Comparison::AtLeast)),
            ("+", [left, right]) => self.pair(left, right).map(Node::Add),
            ("!", [inner]) => Ok(Node::Not(Box::new(self.node(inner)?))),
            // `a in b` is `contains(b, a)`.
            ("contains", [whole, part]) => self.contains(whole, part),
            (name, [receiver, arguments @ ..]) if !matches!(receiver, Expr::StringConstant(..)) => {
                let receiver = self.node(receiver)?;
                self.method(name, receiver, arguments)
            }
            (name, _) => Err(unknown(name)),
        }
    }

    /// `part in whole`, and the function of that name.
    fn contains(&mut self, whole: &Expr, part: &Expr) -> Lowering<Node> {
        if let Some(literals) = literals(whole) {
            return Ok(Node::Among(Box::new(self.node(part)?), literals?));
        }
        let Expr::StringConstant(name, _) = part else {
            return Err("`in` looks for something that is no literal text".to_owned());
        };
        let Node::Field(around) = self.node(whole)? else {
            return Err("`in` looks into something that is no field".to_owned());
        };
        let mut path = self.fields.path(around);
        path.push(name.to_string());
        Ok(Node::Holds(around, self.fields.number(&path), name.to_string()))
    }

    fn chain(&mut self, expression: &Expr) -> Lowering<Node> {
        let chain = Chain::of(expression);
        let root = match chain.base {
            Expr::Variable(variable, ..) if variable.2.is_empty() => variable.1.as_str(),
            _ => return Err("a field of something that was made is read".to_owned()),
        };
        let names: Vec<String> = chain.links.iter().map_while(name).collect();
        let rest = &chain.links[names.len()..];
        let mut node = match root {
            EVENT => Node::Field(self.fields.number(&names)),
            META => Node::Meta(envelope(&names).ok_or("that field of `meta` is read")?),
            _ => return Err("it has variables of its own".to_owned()),
        };
        for link in rest {
            let Expr::MethodCall(call, _) = link.what else {
                return Err(if link.in_brackets {
                    "an item of a list is read"
                } else {
                    "a field is read behind a call"
                }
                .to_owned());
            };
            node = self.method(&call.name, node, &call.args)?;
        }
        Ok(node)
    }

    fn method(&mut self, name: &str, receiver: Node, arguments: &[Expr]) -> Lowering<Node> {
        match (name, arguments) {
            ("contains", [Expr::StringConstant(part, _)]) => {
                Ok(Node::Contains(Box::new((receiver, Finder::new(part.as_bytes()).into_owned()))))
            }
            ("starts_with", [start]) => Ok(Node::StartsWith(Box::new((receiver, self.node(start)?)))),
            ("ends_with", [end]) => Ok(Node::EndsWith(Box::new((receiver, self.node(end)?)))),
            (name, []) => {
                let function = Function::named(name).ok_or_else(|| unknown(name))?;
                Ok(Node::Call(function, Box::new(receiver)))
            }
            (name, _) => Err(unknown(name)),
        }
    }
}

fn unknown(name: &str) -> String {
    format!("`{name}` has no native form")
}

/// The name of a field, behind a dot or in brackets.
pub(super) fn name(link: &Link<'_>) -> Option<String> {
    match link.what {
        Expr::Property(property, _) if !link.in_brackets => Some(property.2.to_string()),
        Expr::StringConstant(name, _) if link.in_brackets => Some(name.to_string()),
        _ => None,
    }
}

fn envelope(names: &[String]) -> Option<Envelope> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Some(match names[..] {
        ["id"] => Envelope::Id,
        ["type"] => Envelope::Type,
        ["source"] => Envelope::Source,
        ["account"] => Envelope::Account,
        ["key"] => Envelope::Key,
        ["time"] => Envelope::Time,
        ["received"] => Envelope::Received,
        ["lookups", component, "status"] => Envelope::Lookup(component.to_owned()),
        _ => return None,
    })
}

/// A constant: texts, numbers, truths and nothing have a native form.
fn literal(expression: &Expr) -> Option<Lowering<Literal>> {
    let value = match expression {
        Expr::DynamicConstant(..)
        | Expr::BoolConstant(..)
        | Expr::IntegerConstant(..)
        | Expr::FloatConstant(..)
        | Expr::CharConstant(..)
        | Expr::StringConstant(..)
        | Expr::Unit(..) => expression.get_literal_value(None)?,
        _ => return None,
    };
    Some(value_of(&value).ok_or_else(|| "it holds a literal that has no native form".to_owned()))
}

fn value_of(value: &Dynamic) -> Option<Literal> {
    let value = if value.is_unit() {
        Value::Unit
    } else if let Ok(truth) = value.as_bool() {
        Value::Bool(truth)
    } else if let Ok(number) = value.as_int() {
        Value::Int(number)
    } else if let Ok(number) = value.as_float() {
        Value::Float(number)
    } else {
        let text = value.as_immutable_string_ref().ok()?;
        Value::Text(text.as_bytes().to_vec().into())
    };
    Some(Literal(value))
}

/// The items of a list of literals.
fn literals(expression: &Expr) -> Option<Lowering<Vec<Literal>>> {
    let declined = || "it holds a list that has no native form".to_owned();
    match expression {
        Expr::Array(items, _) => {
            Some(items.iter().map(|item| literal(item).unwrap_or_else(|| Err(declined()))).collect())
        }
        Expr::DynamicConstant(constant, _) => {
            let items = constant.as_array_ref().ok()?;
            Some(items.iter().map(|item| value_of(item).ok_or_else(declined)).collect())
        }
        _ => None,
    }
}

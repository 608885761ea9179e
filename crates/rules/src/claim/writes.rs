//! What a script puts into the event: assignments, and functions that change a value in place.

use rhai::{ASTNode, BinaryExpr, Expr, FnCallExpr, OpAssignment, Stmt};
use sluicebox_core::FieldPath;

use super::chain::{Chain, Link};
use super::flow::Step;
use super::steps::Builder;
use super::{Claim, calls};
use crate::view::EVENT;

/// What is put into the event at once.
enum Put {
    Nothing,
    Fields(Vec<FieldPath>),
    /// Nobody can tell.
    Anything,
}

impl Builder<'_> {
    /// What an expression puts into the event on the way to its value.
    pub(super) fn inside(&mut self, expression: &Expr, steps: &mut Vec<Step>) {
        expression.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
            self.node(path, steps);
            true
        });
    }

    /// The same for a call that is a statement.
    pub(super) fn inside_call(&mut self, call: &FnCallExpr, steps: &mut Vec<Step>) {
        self.called(call, steps);
        for argument in &call.args {
            self.inside(argument, steps);
        }
    }

    /// What one node puts into the event.
    pub(super) fn node(&mut self, path: &[ASTNode<'_>], steps: &mut Vec<Step>) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => self.assigned(&parts.0, &parts.1, steps),
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                self.called(call, steps);
            }
            Some(ASTNode::Expr(chain @ (Expr::Dot(..) | Expr::Index(..)))) => {
                let chain = Chain::of(chain);
                if let (true, [links @ .., Link { what: Expr::MethodCall(call, _), .. }]) =
                    (is_event(chain.base), &chain.links[..])
                {
                    self.method(links, call, steps);
                }
            }
            _ => {}
        }
    }

    /// An assignment as a statement: what it reads, and what it puts where.
    pub(super) fn assignment(&mut self, by: &OpAssignment, pair: &BinaryExpr, steps: &mut Vec<Step>) {
        let chain = Chain::of(&pair.lhs);
        if by.get_op_assignment_info().is_some() {
            steps.push(Step::Claims(self.reader.claim(&pair.lhs)));
        } else {
            for link in chain.links.iter().filter(|link| link.in_brackets) {
                steps.push(Step::Claims(Claim::Parts(vec![self.reader.claim(link.what)])));
            }
        }
        self.assigned(by, pair, steps);
    }

    fn assigned(&mut self, by: &OpAssignment, pair: &BinaryExpr, steps: &mut Vec<Step>) {
        let chain = Chain::of(&pair.lhs);
        if !is_event(chain.base) {
            return;
        }
        let put = match &chain.links[..] {
            [] if by.get_op_assignment_info().is_some() => keys(Some(&pair.rhs)),
            [] => self.whole(&pair.rhs),
            links => self.at(links),
        };
        self.put(put, steps);
    }

    fn put(&mut self, put: Put, steps: &mut Vec<Step>) {
        match put {
            Put::Nothing => {}
            Put::Fields(fields) => {
                self.written.extend(fields.iter().cloned());
                steps.extend(fields.into_iter().map(Step::Writes));
            }
            Put::Anything => {
                self.is_unknown = true;
                steps.push(Step::Forgets);
            }
        }
    }

    /// Something at the end of a path, as far as that is written out.
    fn at(&self, links: &[Link<'_>]) -> Put {
        let names = links.iter().map_while(|link| self.reader.step(link)?.name);
        let path: FieldPath = names.collect();
        if path.is_empty() { Put::Anything } else { Put::Fields(vec![path]) }
    }

    /// `event = …`
    fn whole(&self, value: &Expr) -> Put {
        let chain = Chain::of(value);
        match (chain.base, &chain.links[..]) {
            (base, []) if is_event(base) => Put::Nothing,
            (base, [Link { what: Expr::MethodCall(call, _), .. }]) if is_event(base) => {
                self.remade(call, &call.args)
            }
            (Expr::FnCall(call, _), []) if call.args.first().is_some_and(is_event) => {
                self.remade(call, &call.args[1..])
            }
            _ => Put::Anything,
        }
    }

    /// What a function that makes a new event of the old one has put in.
    fn remade(&self, call: &FnCallExpr, arguments: &[Expr]) -> Put {
        if self.own.contains(call.name.as_str()) {
            return Put::Anything;
        }
        match (call.name.as_str(), arguments) {
            ("set_path", [path, _]) => match self.reader.text(path).map(|path| leading(&path)) {
                Some(path) if !path.is_empty() => Put::Fields(vec![path]),
                _ => Put::Anything,
            },
            ("omit" | "pick", [_]) | ("compact", []) => Put::Nothing,
            ("merge", [map]) => keys(Some(map)),
            _ => Put::Anything,
        }
    }

    /// A function that is called on the event, or on something inside it.
    fn method(&mut self, links: &[Link<'_>], call: &FnCallExpr, steps: &mut Vec<Step>) {
        let name = call.name.as_str();
        if calls::is_pure(name) || calls::only_narrows(name) || self.own.contains(name) {
            return;
        }
        let put = match (links, name, call.args.first()) {
            ([], "set", Some(field)) => match self.reader.text(field) {
                Some(field) => Put::Fields(vec![vec![field]]),
                None => Put::Anything,
            },
            ([], "mixin" | "fill_with", map) => keys(map),
            ([], ..) => Put::Anything,
            (links, ..) => self.at(links),
        };
        self.put(put, steps);
    }

    /// A function that is called with the event in front, which may change it.
    fn called(&mut self, call: &FnCallExpr, steps: &mut Vec<Step>) {
        let name = call.name.as_str();
        if self.own.contains(name) {
            return;
        }
        if matches!((name, call.args.len()), ("emit" | "replace", 1)) {
            self.is_unknown = true;
            return;
        }
        let is_ours = call.args.first().is_some_and(is_event);
        if is_ours && !calls::is_pure(name) && !calls::only_narrows(name) && name != "log" {
            let put =
                if matches!(name, "mixin" | "fill_with") { keys(call.args.get(1)) } else { Put::Anything };
            self.put(put, steps);
        }
    }
}

/// The names of a map that is written out.
fn keys(map: Option<&Expr>) -> Put {
    match map {
        Some(Expr::Map(map, _)) => {
            Put::Fields(map.0.iter().map(|(name, _)| vec![name.as_str().to_owned()]).collect())
        }
        _ => Put::Anything,
    }
}

/// Whether it is the variable `event`.
pub(super) fn is_event(expression: &Expr) -> bool {
    matches!(expression, Expr::Variable(variable, ..) if variable.2.is_empty() && variable.1 == EVENT)
}

/// The names that a path (`data.items[0].name`) begins with.
fn leading(path: &str) -> FieldPath {
    let names = path.split('[').next().unwrap_or_default();
    names.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

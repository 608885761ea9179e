//! From the statements of a script to steps, or why not.
//!
//! Lowered are: values set, fields taken out or moved, maps made of literals, `if` and `else`, `return`, `drop()`,
//! `to("output")`, and a last value that keeps, drops or replaces the event. Where a script fails on purpose the
//! interpreter runs, so that the error has its place.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Stmt};
use smol_str::SmolStr;

use super::compile::{Compiler, Lowering, name};
use super::node::Node;
use crate::claim::Chain;
use crate::view::EVENT;

/// More names than this make a script that only the interpreter should run.
const MOST_NAMES: usize = 64;

/// One thing that a script does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A field is set to a value.
    Set(usize, Node),
    /// A field is set to a new map: the names of maps inside in order from the outside in, and of values.
    Make { target: usize, maps: Vec<usize>, values: Vec<(usize, Node)> },
    /// A field, given by its name and its number, is set to what another had, which is taken out.
    Move { target: usize, from: usize, value: Node },
    /// A field is taken out of the map around it.
    Remove(usize),
    /// One or the other.
    If(Node, Vec<Step>, Vec<Step>),
    /// `drop()`
    Drop,
    /// `to("output")`
    To(SmolStr),
    /// The script is over.
    End(Ending),
    /// Only the interpreter may go on.
    Interpret,
}

/// What the last value of a script says.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// Nothing, or `event`: the event goes on.
    Keep,
    /// True, false or missing, as the event has it.
    Decide(Node),
}

impl Compiler {
    /// Lowers a script.
    pub(super) fn script(&mut self, script: &AST) -> Lowering<Vec<Step>> {
        if script.iter_functions().next().is_some() {
            return Err("it has functions".to_owned());
        }
        if mentions_event(script) {
            self.fields.name(&[]);
        }
        let steps = self.steps(script.statements(), true)?;
        if self.fields.names().len() > MOST_NAMES {
            return Err(format!("it names more than {MOST_NAMES} fields"));
        }
        Ok(steps)
    }

    /// Lowers statements; the last of them may be what the script comes to.
    fn steps(&mut self, statements: &[Stmt], is_last: bool) -> Lowering<Vec<Step>> {
        let mut steps = Vec::with_capacity(statements.len());
        let end = statements.len().saturating_sub(1);
        for (index, statement) in statements.iter().enumerate() {
            self.step(statement, is_last && index == end, &mut steps)?;
        }
        Ok(steps)
    }

    fn step(&mut self, statement: &Stmt, is_last: bool, steps: &mut Vec<Step>) -> Lowering<()> {
        match statement {
            Stmt::Noop(_) => {}
            Stmt::Assignment(assignment) if !assignment.0.is_op_assignment() => {
                let target = self.place(&assignment.1.lhs)?;
                steps.push(self.assignment(target, &assignment.1.rhs)?);
            }
            Stmt::If(flow, _) => {
                let condition = self.node(&flow.expr)?;
                let then = self.steps(flow.body.statements(), is_last)?;
                steps.push(Step::If(condition, then, self.steps(flow.branch.statements(), is_last)?));
            }
            Stmt::Block(block) => steps.extend(self.steps(block.statements(), is_last)?),
            Stmt::Return(value, flags, _) if !flags.intersects(ASTFlags::BREAK) => {
                self.ending(value.as_deref(), steps)?;
            }
            // `throw`
            Stmt::Return(..) => steps.push(Step::Interpret),
            Stmt::FnCall(call, _) => steps.push(effect(call)?),
            Stmt::Expr(expression) if is_last => self.ending(Some(expression), steps)?,
            Stmt::Expr(expression) => match &**expression {
                Expr::FnCall(call, _) => steps.push(effect(call)?),
                Expr::Unit(_) => {}
                expression => {
                    let from = self.removal(expression).ok_or("it has a statement without a native form")?;
                    steps.push(Step::Remove(from));
                }
            },
            Stmt::Assignment(_) => return Err("it changes a value by `+=` or the like".to_owned()),
            Stmt::Var(..) => return Err("it has variables of its own".to_owned()),
            Stmt::For(..) | Stmt::While(..) | Stmt::Do(..) => return Err("it has a loop".to_owned()),
            _ => return Err("it has a statement without a native form".to_owned()),
        }
        Ok(())
    }

    fn assignment(&mut self, target: usize, value: &Expr) -> Lowering<Step> {
        if let Some((maps, values)) = self.literal_map(target, value)? {
            return Ok(Step::Make { target, maps, values });
        }
        if target == 0 {
            return Err("the whole event is set".to_owned());
        }
        if let Some(from) = self.removal(value) {
            let value = Node::Field(self.fields.number_of(from));
            return Ok(Step::Move { target, from, value });
        }
        Ok(Step::Set(target, self.node(value)?))
    }

    /// A map that is written out: the maps inside of it, and the values.
    #[allow(clippy::type_complexity, reason = "two lists, which the caller takes apart at once")]
    fn literal_map(
        &mut self,
        target: usize,
        value: &Expr,
    ) -> Lowering<Option<(Vec<usize>, Vec<(usize, Node)>)>> {
        let Expr::Map(map, _) = value else { return Ok(None) };
        if map.0.len() != map.1.len() {
            return Err("it makes a map with a key given twice".to_owned());
        }
        self.fields.mark_made(target);
        let (mut maps, mut values) = (Vec::new(), Vec::new());
        for (key, value) in &map.0 {
            let name = self.fields.inside(target, &key.name);
            match self.literal_map(name, value)? {
                Some((inner_maps, inner_values)) => {
                    maps.push(name);
                    maps.extend(inner_maps);
                    values.extend(inner_values);
                }
                None => values.push((name, self.node(value)?)),
            }
        }
        Ok(Some((maps, values)))
    }

    /// A field of the event, for changing it.
    fn place(&mut self, expression: &Expr) -> Lowering<usize> {
        let chain = Chain::of(expression);
        let names: Option<Vec<String>> = chain.links.iter().map(name).collect();
        match names.filter(|_| is_event(chain.base)) {
            Some(names) => Ok(self.fields.name(&names)),
            None => Err("it changes something that is no field of the event".to_owned()),
        }
    }

    /// `event.a.remove("b")`: the field that is taken out.
    fn removal(&mut self, expression: &Expr) -> Option<usize> {
        let chain = Chain::of(expression);
        let (last, names) = chain.links.split_last()?;
        let Expr::MethodCall(call, _) = last.what else { return None };
        let ("remove", [Expr::StringConstant(text, _)]) = (call.name.as_str(), &call.args[..]) else {
            return None;
        };
        if !is_event(chain.base) {
            return None;
        }
        let mut names = names.iter().map(name).collect::<Option<Vec<String>>>()?;
        names.push(text.to_string());
        Some(self.fields.name(&names))
    }

    /// What a value says at the end of a script.
    fn ending(&mut self, value: Option<&Expr>, steps: &mut Vec<Step>) -> Lowering<()> {
        match value {
            None | Some(Expr::Unit(_)) => steps.push(Step::End(Ending::Keep)),
            Some(Expr::FnCall(call, _)) if matches!(call.name.as_str(), "drop" | "to" | "dead_letter") => {
                steps.push(effect(call)?);
            }
            // Without a tree of the event there is nothing that the new map could be patched into.
            Some(Expr::Map(..)) if self.fields.names().is_empty() => {
                return Err("it replaces the event without reading it".to_owned());
            }
            Some(value @ Expr::Map(..)) => {
                steps.push(self.assignment(0, value)?);
                steps.push(Step::End(Ending::Keep));
            }
            Some(value) if self.removal(value).is_some() => {
                return Err("its last value is what was taken out".to_owned());
            }
            Some(value) => {
                let node = self.node(value)?;
                let is_event = matches!(node, Node::Field(number) if self.fields.end(number) == 0);
                steps.push(Step::End(if is_event { Ending::Keep } else { Ending::Decide(node) }));
            }
        }
        Ok(())
    }
}

fn effect(call: &FnCallExpr) -> Lowering<Step> {
    match (call.name.as_str(), &call.args[..]) {
        ("drop", []) => Ok(Step::Drop),
        ("to", [Expr::StringConstant(output, _)]) => Ok(Step::To(output.as_str().into())),
        ("dead_letter", [_]) => Ok(Step::Interpret),
        (name, _) => Err(format!("`{name}` has no native form")),
    }
}

fn is_event(expression: &Expr) -> bool {
    matches!(expression, Expr::Variable(variable, ..) if variable.2.is_empty() && variable.1 == EVENT)
}

fn mentions_event(script: &AST) -> bool {
    let mut found = false;
    script.walk(&mut |path: &[ASTNode<'_>]| {
        found |=
            matches!(path.last(), Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.1 == EVENT);
        !found
    });
    found
}

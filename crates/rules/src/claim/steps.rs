//! Statements as steps.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FlowControl, Position, Stmt};
use sluicebox_core::{Effect, FieldPath};

use super::ending::{ends, is_filler, keeps};
use super::flow::{Flow, Step};
use super::{Claim, Reader, idle};

/// Makes steps of statements.
pub(super) struct Builder<'l> {
    pub(super) reader: Reader<'l>,
    /// The script's own functions.
    pub(super) own: BTreeSet<String>,
    /// Everything that is put into the event.
    pub(super) written: BTreeSet<FieldPath>,
    /// Whether something else than the event goes on, or it is replaced.
    pub(super) is_unknown: bool,
}

impl<'l> Builder<'l> {
    pub(super) fn new(reader: Reader<'l>, own: BTreeSet<String>) -> Self {
        Self { reader, own, written: BTreeSet::new(), is_unknown: false }
    }

    /// The whole script.
    pub(super) fn flow(mut self, ast: &AST) -> Flow {
        let mut steps = self.block(ast.statements());
        // What functions and closures do is done somewhere on the way; a closure may hold the event itself.
        let before = self.written.clone();
        let mut inside = Vec::new();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            self.node(path, &mut inside);
            true
        });
        let hidden = self.written.difference(&before).cloned().map(Step::Writes).collect::<Vec<_>>();
        steps.splice(0..0, hidden);
        if inside.contains(&Step::Forgets) && !contains_forgets(&steps) {
            steps.insert(0, Step::Forgets);
        }
        let effect = match (self.is_unknown || !keeps(ast.statements()), self.written.is_empty()) {
            (true, _) => Effect::Unknown,
            (false, true) => Effect::None,
            (false, false) => Effect::Writes(self.written),
        };
        Flow { steps, effect }
    }

    /// The statements of a block.
    fn block(&mut self, statements: &[Stmt]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut ended = false;
        for (index, statement) in statements.iter().enumerate() {
            if is_filler(statement) {
                continue;
            }
            if ended {
                steps.push(Step::Dead(self.reader.place(start(statement))));
                break;
            }
            if index + 1 < statements.len() {
                steps.extend(idle::idle(self, statement).map(Step::Idle));
            }
            self.statement(statement, &mut steps);
            ended = ends(statement, &self.own);
        }
        if ended {
            steps.push(Step::Ends);
        }
        steps
    }

    fn statement(&mut self, statement: &Stmt, steps: &mut Vec<Step>) {
        match statement {
            Stmt::If(parts, position) => self.branches(parts, *position, steps),
            Stmt::Switch(parts, _) => {
                self.expression(&parts.0, steps);
                for case in &parts.1.expressions {
                    let mut then = Vec::new();
                    self.expression(&case.rhs, &mut then);
                    steps.push(Step::If {
                        condition: Claim::Parts(vec![self.condition(&case.lhs)]),
                        place: self.reader.place(begin(&case.rhs)),
                        then,
                        otherwise: Vec::new(),
                        otherwise_place: None,
                    });
                }
            }
            Stmt::While(parts, _) | Stmt::Do(parts, ..) => {
                let mut body = Vec::new();
                self.expression(&parts.expr, &mut body);
                body.extend(self.block(parts.body.statements()));
                steps.push(Step::Loop(body));
            }
            Stmt::For(parts, _) => {
                self.expression(&parts.2.expr, steps);
                let body = self.block(parts.2.body.statements());
                steps.push(Step::Loop(body));
            }
            Stmt::Var(parts, ..) => self.expression(&parts.1, steps),
            Stmt::Assignment(parts) => {
                self.expression(&parts.1.rhs, steps);
                self.assignment(&parts.0, &parts.1, steps);
            }
            Stmt::FnCall(call, _) => {
                self.inside_call(call, steps);
                steps.push(Step::Claims(self.reader.call(call)));
            }
            Stmt::Block(block) => {
                let mut inner = self.block(block.statements());
                // What ends a block of its own ends what it stands in: said there.
                inner.retain(|step| *step != Step::Ends);
                steps.extend(inner);
            }
            Stmt::TryCatch(parts, _) => {
                let then = self.block(parts.body.statements());
                let otherwise = self.block(parts.branch.statements());
                let (condition, place) = (Claim::Parts(Vec::new()), (1, 1));
                steps.push(Step::If { condition, place, then, otherwise, otherwise_place: None });
            }
            Stmt::Expr(expression) => self.expression(expression, steps),
            Stmt::Return(Some(value), ..) => {
                self.expression(value, steps);
                self.is_unknown |= !super::ending::is_kept(value);
            }
            Stmt::BreakLoop(Some(value), ..) => {
                self.expression(value, steps);
                self.is_unknown = true;
            }
            _ => {}
        }
    }

    /// A condition that may be left out.
    fn condition(&self, condition: &Expr) -> Claim {
        self.reader.claim(condition)
    }

    fn branches(&mut self, parts: &FlowControl, position: Position, steps: &mut Vec<Step>) {
        self.inside(&parts.expr, steps);
        let then = self.block(parts.body.statements());
        let otherwise = self.block(parts.branch.statements());
        let begins = parts.branch.statements().iter().find(|statement| !is_filler(statement));
        let begins = begins.map(|statement| self.reader.place(start(statement)));
        let at = begin(&parts.expr);
        steps.push(Step::If {
            condition: self.reader.claim(&parts.expr),
            place: self.reader.place(if at.is_none() { position } else { at }),
            then,
            otherwise,
            otherwise_place: begins,
        });
    }

    pub(super) fn expression(&mut self, expression: &Expr, steps: &mut Vec<Step>) {
        if let Expr::Stmt(block) = expression {
            let mut inner = self.block(block.statements());
            inner.retain(|step| *step != Step::Ends);
            return steps.extend(inner);
        }
        self.inside(expression, steps);
        steps.push(Step::Claims(self.reader.claim(expression)));
    }
}

/// Where an expression begins; Rhai tells the place of its operator.
fn begin(expression: &Expr) -> Position {
    match expression {
        Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
            parts.first().map_or_else(|| expression.position(), begin)
        }
        Expr::FnCall(call, position) => {
            call.args.iter().map(begin).chain([*position]).min().unwrap_or(*position)
        }
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => begin(&pair.lhs),
        other => other.start_position(),
    }
}

/// Where a statement begins.
fn start(statement: &Stmt) -> Position {
    match statement {
        Stmt::Expr(expression) => begin(expression),
        Stmt::Assignment(parts) => begin(&parts.1.lhs),
        other => other.position(),
    }
}

fn contains_forgets(steps: &[Step]) -> bool {
    steps.iter().any(|step| match step {
        Step::Forgets => true,
        Step::If { then, otherwise, .. } => contains_forgets(then) || contains_forgets(otherwise),
        Step::Loop(body) => contains_forgets(body),
        _ => false,
    })
}

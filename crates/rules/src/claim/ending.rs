//! How statements end: whether anything behind them is run, and whether the last value keeps the event.

use std::collections::BTreeSet;

use rhai::{ASTFlags, Expr, Stmt};

use super::calls::is_operator;
use super::writes::is_event;

/// Whether it does nothing at all; final semicolons leave such behind.
pub(super) fn is_filler(statement: &Stmt) -> bool {
    match statement {
        Stmt::Noop(_) | Stmt::Share(_) => true,
        Stmt::Expr(expression) => matches!(**expression, Expr::Unit(_)),
        _ => false,
    }
}

/// Whether nothing behind it is run. `own`: the script's own functions.
pub(super) fn ends(statement: &Stmt, own: &BTreeSet<String>) -> bool {
    let gives_up = |name: &str| name == "dead_letter" && !own.contains(name);
    let block = |statements: &[Stmt]| statements.iter().any(|statement| ends(statement, own));
    match statement {
        Stmt::Return(..) | Stmt::BreakLoop(..) => true,
        Stmt::FnCall(call, _) => gives_up(&call.name),
        Stmt::Expr(expression) => matches!(&**expression, Expr::FnCall(call, _) if gives_up(&call.name)),
        Stmt::Block(inner) => block(inner.statements()),
        Stmt::If(parts, _) => block(parts.body.statements()) && block(parts.branch.statements()),
        _ => false,
    }
}

/// Whether the last value of the statements lets the event go on as it is, or drops it: nothing, true or false, or the
/// event itself.
pub(super) fn keeps(statements: &[Stmt]) -> bool {
    use Stmt::{Assignment, Do, For, Noop, Return, Share, TryCatch, Var, While};
    match statements.last() {
        None
        | Some(Noop(_) | Var(..) | Assignment(_) | For(..) | While(..) | Do(..) | Share(_) | Return(..)) => {
            true
        }
        Some(Stmt::If(parts, _) | TryCatch(parts, _)) => {
            keeps(parts.body.statements()) && keeps(parts.branch.statements())
        }
        Some(Stmt::Block(block)) => keeps(block.statements()),
        Some(Stmt::Switch(parts, _)) => parts.1.expressions.iter().all(|case| is_kept(&case.rhs)),
        Some(Stmt::FnCall(call, _)) => is_deciding(&call.name),
        Some(Stmt::Expr(expression)) => is_kept(expression),
        // `throw`, and what may come with another version.
        Some(Stmt::BreakLoop(_, flags, _)) => flags.contains(ASTFlags::BREAK),
        Some(_) => false,
    }
}

/// Whether a value lets the event go on as it is, or drops it.
pub(super) fn is_kept(value: &Expr) -> bool {
    match value {
        Expr::Unit(_) | Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => true,
        Expr::FnCall(call, _) => is_deciding(&call.name) || is_test(&call.name),
        Expr::Stmt(block) => keeps(block.statements()),
        Expr::Array(items, _) => items.is_empty(),
        value => is_event(value),
    }
}

/// Whether an operator gives true or false.
fn is_test(name: &str) -> bool {
    (is_operator(name) && matches!(name, "==" | "!=" | "<" | "<=" | ">" | ">=" | "!")) || name == "contains"
}

/// Whether a function says what becomes of the event and gives no value.
fn is_deciding(name: &str) -> bool {
    matches!(name, "drop" | "to" | "dead_letter" | "log" | "replace" | "emit")
}

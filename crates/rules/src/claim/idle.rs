//! Statements that change nothing: their value is thrown away.

use rhai::{ASTNode, Expr, FnCallExpr, Stmt};
use sluicebox_core::Problem;

use super::calls::{is_operator, is_pure_call};
use super::chain::{Chain, Link};
use super::steps::Builder;

/// What to say of a statement, if it changes nothing.
pub(super) fn idle(builder: &Builder<'_>, statement: &Stmt) -> Option<Problem> {
    let (problem, position) = match statement {
        Stmt::FnCall(call, position) => (told(builder, call, 0, None)?, *position),
        Stmt::Expr(expression) if is_quiet(builder, expression) => match &**expression {
            Expr::FnCall(call, position) => (told(builder, call, 0, None)?, *position),
            chain @ (Expr::Dot(..) | Expr::Index(..)) => {
                let parts = Chain::of(chain);
                let Some(Link { what: Expr::MethodCall(call, position), .. }) = parts.links.last() else {
                    return None;
                };
                (told(builder, call, 1, path_of(&parts).as_deref())?, *position)
            }
            _ => return None,
        },
        _ => return None,
    };
    let (line, column) = builder.reader.place(position);
    Some(problem.inside(line, column))
}

/// `before`: how many arguments stand in front of the name.
fn told(builder: &Builder<'_>, call: &FnCallExpr, before: usize, on: Option<&str>) -> Option<Problem> {
    let name = call.name.as_str();
    if !is_pure_call(name, before + call.args.len())
        || builder.own.contains(name)
        || call.args.iter().any(|it| !is_quiet(builder, it))
    {
        return None;
    }
    if is_operator(name) {
        let problem = Problem::new("", format!("the value of `{name}` is thrown away: this changes nothing"));
        let assigns = (name == "==").then_some("one `=` assigns: `event.x = 1`");
        return Some(assigns.into_iter().fold(problem, Problem::with_help));
    }
    let message = format!("`{name}` gives a new value, and it is thrown away: this changes nothing");
    let problem = Problem::new("", message);
    Some(match on {
        Some(path) if call.args.is_empty() => {
            problem.with_help(format!("assign it: `{path} = {path}.{name}();`"))
        }
        Some(path) => problem.with_help(format!("assign it: `{path} = {path}.{name}(…);`")),
        None => problem.with_help("assign it to something"),
    })
}

/// The path that a method is called on, if it is one and nothing more.
fn path_of(chain: &Chain<'_>) -> Option<String> {
    let Expr::Variable(variable, ..) = chain.base else { return None };
    let mut path = variable.1.to_string();
    for link in &chain.links[..chain.links.len() - 1] {
        let Expr::Property(property, _) = link.what else { return None };
        path.push('.');
        path.push_str(&property.2);
    }
    Some(path)
}

/// Whether an expression does nothing but give a value: every call in it is known to change nothing, and no function is
/// handed over.
fn is_quiet(builder: &Builder<'_>, expression: &Expr) -> bool {
    let mut quiet = true;
    expression.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        quiet &= match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _))) => {
                is_pure_call(&call.name, call.args.len()) && !builder.own.contains(call.name.as_str())
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => is_pure_call(&call.name, call.args.len() + 1),
            Some(ASTNode::Expr(Expr::Stmt(_) | Expr::DynamicConstant(..)) | ASTNode::Stmt(_)) => false,
            _ => true,
        };
        quiet
    });
    quiet
}

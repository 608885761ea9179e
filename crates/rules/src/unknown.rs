//! Functions that nobody has: a call of one can never work, so it is told before the first event.
//!
//! Rhai looks a function up when it is called. Invariant: only a name that no function has, with any arguments, is
//! refused; whether the arguments fit is known only when they are there.

use std::collections::HashSet;
use std::sync::LazyLock;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use sluicebox_core::Problem;

use crate::coverage::REACHED;
use crate::{functions, language};

/// What Rhai treats as functions without any being registered.
const BUILT_IN: [&str; 8] =
    ["call", "curry", "Fn", "is_def_fn", "is_def_var", "is_shared", "type_of", "eval"];

/// The name of every function that is registered.
static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let names =
        language::engine().collect_fn_metadata(None, |info| Some(info.metadata.name.to_string()), true);
    names.into_iter().chain(BUILT_IN.map(str::to_owned)).collect()
});

/// The first call of a function that neither exists nor is declared in the text; `marker` is one that we have put there.
///
/// # Errors
/// What it calls, with the place that `inside` gives.
pub(crate) fn refuse(
    ast: &AST,
    marker: Option<&str>,
    inside: impl Fn(Position) -> Position,
) -> Result<(), Problem> {
    let mut own: HashSet<&str> = ast.iter_functions().map(|function| function.name).collect();
    own.extend(marker);
    let mut unknown = None;
    let mut look = |call: &FnCallExpr, position: Position| {
        let name = call.name.as_str();
        // Operators, and closures, whose names are made up.
        let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_word && unknown.is_none() && !own.contains(name) && !NAMES.contains(name) && name != REACHED {
            unknown = Some((name.to_owned(), position));
        }
    };
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, position) | Expr::MethodCall(call, position))
            | ASTNode::Stmt(Stmt::FnCall(call, position)),
        ) = path.last()
        {
            look(call, *position);
        }
        true
    });
    let Some((name, position)) = unknown else { return Ok(()) };
    let nearest = functions::nearest(&name).map(|name| format!("did you mean `{name}`?"));
    let help = nearest.unwrap_or_else(|| "`sluicebox explain functions` lists them".to_owned());
    let problem = Problem::new("", format!("there is no function `{name}`")).with_help(help);
    Err(crate::program::at(problem, inside(position)))
}

#[cfg(test)]
mod tests {
    use crate::{Condition, Script};

    fn told(problem: sluicebox_core::Problem) -> String {
        format!(
            "{:?} {} {}",
            problem.inside.unwrap_or_default(),
            problem.message,
            problem.help.unwrap_or_default()
        )
    }

    #[test]
    fn a_call_of_what_nobody_has_is_told_with_the_nearest_name() {
        for (script, expected) in [
            (
                "event.n = 1;\nevent.name = event.name.trimm();",
                "(2, 25) there is no function `trimm` did you mean `trim`?",
            ),
            (
                "if false { } else { fromat_time(meta.time, \"%Y\"); }",
                "(1, 21) there is no function `fromat_time` did you mean `format_time`?",
            ),
            ("xyzzy(1)", "(1, 1) there is no function `xyzzy` `sluicebox explain functions` lists them"),
            ("event.list.map(|item| item.uper())", "(1, 28) there is no function `uper`"),
        ] {
            let found = told(Script::compile(&script.into()).unwrap_err());
            assert!(found.starts_with(expected), "{script}: {found}");
        }
        let found = told(Condition::compile(&"event.name.begins_with(\"a\")".into()).unwrap_err());
        assert!(found.starts_with("(1, 12) there is no function `begins_with`"), "{found}");
    }

    #[test]
    fn what_exists_in_any_way_passes() {
        for script in [
            "fn twice(n) { n * 2 } event.n = twice(event.n);",
            "let half = |n| n / 2; event.n = half.call(event.n);",
            "let f = Fn(\"twice\"); fn twice(n) { n * 2 } event.n = f.call(1);",
            "event.kind = type_of(event.n); let add = |a, b| a + b; event.n = add.call(1, 2);",
            "event.a = `${event.n} and ${event.n.to_string()}`; event.b = \"n\" in event; event.c = !(event.n ?? 0 > 1);",
            "for n in range(0, 3) { event.n += n; } switch event.n { 1 => emit(#{}), _ => drop() }",
        ] {
            let compiled = Script::compile(&script.into());
            assert!(compiled.is_ok(), "{script}: {:?}", compiled.err());
        }
    }
}

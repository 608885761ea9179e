//! Chains of dots and brackets, taken apart: `event.a["b"].c()` is a base and three links.

use rhai::{ASTFlags, Expr};

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

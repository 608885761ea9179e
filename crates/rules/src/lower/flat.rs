//! For scripts that are interpreted and only read the event: every path that they read is a variable of its own.
//!
//! Taking `event.data.message.text` apart, step by step, is most of what such a script costs. So its text is parsed once
//! more with `event_data_message_text` instead, which is as long, so that every position stays; for an event those
//! variables are filled in one pass over its bytes, and there is no tree at all.
//!
//! Invariant: a script cannot tell the difference. The variables are constants, so that nothing is changed unseen, and
//! whatever goes wrong here is no error: the script then runs over the tree, which decides.

use rhai::{AST, ASTNode, Dynamic, Expr, Position, Scope, Stmt};
use smol_str::SmolStr;

use super::LARGEST_BYTES;
use super::compile::name;
use super::fields::{Fields, MOST};
use super::part::whole;
use super::scan::{Native, Unusual};
use crate::budget;
use crate::claim::{Chain, Link};
use crate::view::EVENT;

/// Methods that look and change nothing. It need not be complete: a script that calls others runs over the tree.
const LOOKING: [&str; 14] = [
    "contains",
    "ends_with",
    "index_of",
    "is_empty",
    "keys",
    "len",
    "split",
    "starts_with",
    "sub_string",
    "to_float",
    "to_int",
    "to_lower",
    "to_string",
    "to_upper",
];

/// A script whose paths are variables.
#[derive(Clone, Debug)]
pub(crate) struct Flat {
    ast: AST,
    fields: Fields,
    /// By number of the field.
    variables: Vec<SmolStr>,
}

impl Flat {
    /// The flat form of a script, if it has one. `parse` parses a text that may use the variables of a scope.
    pub(crate) fn of(
        script: &AST,
        text: &str,
        parse: impl FnOnce(&Scope<'_>, &str) -> Option<AST>,
    ) -> Option<Self> {
        let takes_event = |params: &[&str]| params.contains(&EVENT);
        if script.iter_functions().any(|function| takes_event(&function.params)) {
            return None;
        }
        let mut reads = Vec::new();
        let mut only_reads = true;
        script.walk(&mut |path: &[ASTNode<'_>]| {
            only_reads = match path {
                [around @ .., ASTNode::Expr(Expr::Variable(variable, _, position))]
                    if variable.1 == EVENT =>
                {
                    around.last().and_then(path_of).map(|names| reads.push((names, *position))).is_some()
                }
                [.., ASTNode::Stmt(statement)] => !changes(statement),
                _ => true,
            };
            only_reads
        });
        if !only_reads || reads.is_empty() {
            return None;
        }
        let (fields, variables, text) = renamed(&reads, text)?;
        let mut names = Scope::new();
        for variable in &variables {
            names.push_constant_dynamic(variable.as_str(), Dynamic::UNIT);
        }
        Some(Self { ast: parse(&names, &text)?, fields, variables })
    }

    /// What is run.
    pub(crate) fn ast(&self) -> &AST {
        &self.ast
    }

    /// The variables for an event; `None` if it holds something that only the tree can tell.
    pub(crate) fn variables(&self, bytes: &[u8]) -> Option<Scope<'static>> {
        self.find(bytes).ok()
    }

    fn find(&self, bytes: &[u8]) -> Native<Scope<'static>> {
        if bytes.len() > LARGEST_BYTES {
            return Err(Unusual);
        }
        budget::reads(bytes.len());
        let found = self.fields.find(bytes)?;
        let mut scope = Scope::new();
        for (variable, token) in self.variables.iter().zip(found) {
            scope.push_constant_dynamic(variable.as_str(), whole(token, bytes)?);
        }
        Ok(scope)
    }
}

/// Whether a statement changes the event, or gives its name to something else.
fn changes(statement: &Stmt) -> bool {
    match statement {
        Stmt::Assignment(assignment) => {
            matches!(Chain::of(&assignment.1.lhs).base, Expr::Variable(variable, ..) if variable.1 == EVENT)
        }
        Stmt::Var(variable, ..) => variable.0.name == EVENT,
        Stmt::For(counted, _) => {
            counted.0.name == EVENT || counted.1.as_ref().is_some_and(|counter| counter.name == EVENT)
        }
        Stmt::Share(shared) => shared.iter().any(|(variable, ..)| variable.name == EVENT),
        _ => false,
    }
}

/// The names behind `event` in a chain that begins with it and only looks.
fn path_of(around: &ASTNode<'_>) -> Option<Vec<String>> {
    let ASTNode::Expr(chain) = around else { return None };
    let chain = Chain::of(chain);
    let begins = matches!(chain.base, Expr::Variable(variable, ..) if variable.1 == EVENT);
    let names: Vec<String> =
        chain.links.iter().take_while(|link| !link.in_brackets).map_while(name).collect();
    (begins && !names.is_empty() && chain.links.iter().all(only_looks)).then_some(names)
}

fn only_looks(link: &Link<'_>) -> bool {
    match link.what {
        Expr::MethodCall(call, _) => LOOKING.contains(&call.name.as_str()),
        _ => true,
    }
}

/// The fields, the variable of each, and the text with the variables in the places of the paths.
fn renamed(reads: &[(Vec<String>, Position)], text: &str) -> Option<(Fields, Vec<SmolStr>, String)> {
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut fields = Fields::default();
    let mut variables: Vec<SmolStr> = Vec::new();
    let mut flat = text.as_bytes().to_vec();
    for (names, position) in reads {
        let line = *starts.get(position.line()?.checked_sub(1)?)?;
        let columns = position.position()?.checked_sub(1)?;
        let (offset, _) = text.get(line..)?.char_indices().nth(columns)?;
        let path = format!("{EVENT}.{}", names.join("."));
        let place = line + offset..line + offset + path.len();
        let variable = SmolStr::from(path.replace('.', "_"));
        // Brackets, `?.`, blanks: what is not written plainly has no variable that is as long.
        if text.get(place.clone())? != path || text.contains(variable.as_str()) {
            return None;
        }
        let number = fields.number(names);
        if number == variables.len() {
            if variables.contains(&variable) {
                return None;
            }
            variables.push(variable.clone());
        }
        flat.get_mut(place)?.copy_from_slice(variable.as_bytes());
    }
    let flat = String::from_utf8(flat).ok()?;
    (fields.count() <= MOST).then_some((fields, variables, flat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language;

    fn flat(text: &str) -> Option<(Vec<SmolStr>, Vec<String>)> {
        let engine = language::engine();
        let mut names = Scope::new();
        names.push(EVENT, ());
        let script = engine.compile_with_scope(&names, text).unwrap();
        let mut parsed = String::new();
        let flat = Flat::of(&script, text, |names, text| {
            text.clone_into(&mut parsed);
            engine.compile_with_scope(names, text).ok()
        })?;
        Some((flat.variables, parsed.lines().map(str::to_owned).collect()))
    }

    #[test]
    fn paths_become_variables_that_are_as_long() {
        let script =
            "let n = event.data.text.len(); // é\n[`${event.data.text}`, n, event.id + event.list[0]]";
        let (variables, lines) = flat(script).unwrap();
        assert_eq!(variables, ["event_data_text", "event_id", "event_list"]);
        assert_eq!(lines[0], "let n = event_data_text.len(); // é");
        assert_eq!(lines[1], "[`${event_data_text}`, n, event_id + event_list[0]]");
    }

    #[test]
    fn whatever_changes_or_keeps_the_event_has_no_flat_form() {
        for script in [
            "event.a = 1;",
            "event.a.b += 1; event.c",
            "event.list.push(1);",
            "event.remove(\"a\");",
            "let event = #{}; event.a",
            "for event in [1] { event.a }",
            "fn f(event) { event.a } f(#{})",
            "let f = |x| event.a == x; f.call(1)",
            "event",
            "event.a == event",
            "event[\"a\"]",
            "event . a",
            "event?.a",
            "event.a_b + event.a.b",
            "let event_a = 1; event.a + event_a",
            "1",
        ] {
            assert!(flat(script).is_none(), "{script}");
        }
    }
}

//! For rules that are interpreted: a tree of the fields that they name instead of the whole event.
//!
//! Invariant: a rule cannot tell the difference. Wherever the event is used as a whole, or holds something that is not
//! certainly read, the whole tree is built. A map of which only some fields were read carries a tag of its own, so that
//! whoever writes the event anew knows that the others are still there.

use bytes::Bytes;
use rhai::{AST, ASTNode, Dynamic, Expr, Scope, Stmt};
use sluicebox_core::Event;
use smol_str::SmolStr;

use super::LARGEST_BYTES;
use super::compile::name;
use super::fields::Fields;
use super::part::Part;
use crate::budget;
use crate::claim::{Chain, Link};
use crate::error::RuleError;
use crate::view::{self, EVENT, Needs};

/// Methods of a map that look at one field only, the one that they are given the name of.
const METHODS_OF_ONE_FIELD: [&str; 2] = ["contains", "remove"];

/// The fields that a rule reads or changes, if it names them all; the default is the whole event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection(Option<Fields>);

impl Projection {
    /// No field at all.
    pub(crate) fn nothing() -> Self {
        Self(Some(Fields::default()))
    }

    /// The fields that a compiled rule reads or changes.
    pub(crate) fn of(rule: &AST) -> Self {
        Self::nothing().and(rule)
    }

    /// These and those of another rule.
    pub(crate) fn and(self, rule: &AST) -> Self {
        let Some(mut fields) = self.0 else { return Self(None) };
        Self(add_fields(rule, &mut fields).then_some(fields))
    }

    /// These and the one at a path.
    pub(crate) fn and_path(self, path: &[SmolStr]) -> Self {
        let path: Vec<String> = path.iter().map(SmolStr::to_string).collect();
        Self(self.0.map(|mut fields| {
            fields.mark_leaf(&path);
            fields
        }))
    }

    /// The variables for one evaluation that only reads.
    ///
    /// # Errors
    /// The event cannot be read as a tree.
    pub(crate) fn variables(&self, event: &Event, needs: Needs) -> Result<Scope<'static>, RuleError> {
        let tree = if needs.event { self.read(&event.json())? } else { Dynamic::UNIT };
        Ok(view::constants(tree, event.meta(), needs))
    }

    /// The tree of an event, or the part of it that is named.
    ///
    /// # Errors
    /// The event cannot be read as a tree.
    pub(crate) fn read(&self, json: &Bytes) -> Result<Dynamic, RuleError> {
        match self.part(json) {
            Some((_, tree)) => Ok(tree),
            None => view::read(json),
        }
    }

    /// What is named of an event and its tree; `None` if only the whole will do.
    pub(crate) fn part(&self, json: &Bytes) -> Option<(Part<'_>, Dynamic)> {
        let fields = self.0.as_ref()?;
        if json.len() > LARGEST_BYTES || fields.names().is_empty() {
            return None;
        }
        budget::reads(json.len());
        let part = Part::of(fields, json.clone()).ok()?;
        let tree = part.tree().ok()?;
        Some((part, tree))
    }
}

/// Adds what a rule names; false if it uses the event as a whole.
fn add_fields(rule: &AST, fields: &mut Fields) -> bool {
    let mut names_all = true;
    rule.walk(&mut |path: &[ASTNode<'_>]| {
        match path {
            [around @ .., ASTNode::Expr(Expr::Variable(variable, ..))] if variable.1 == EVENT => {
                match around.last().and_then(path_of) {
                    Some(names) if is_replaced(around, rule) => _ = fields.name(&names),
                    Some(names) => fields.mark_leaf(&names),
                    None => names_all = false,
                }
            }
            // A function that is made here takes it along.
            [.., ASTNode::Stmt(Stmt::Share(shared))] => {
                names_all &= !shared.iter().any(|(variable, ..)| variable.name == EVENT);
            }
            _ => {}
        }
        names_all
    });
    names_all
}

/// Whether what stands at the path is taken out or replaced, and nobody asks what it was. `around` ends with the chain.
fn is_replaced(around: &[ASTNode<'_>], rule: &AST) -> bool {
    match around {
        // The value of the last statement, here or in a block, is asked for.
        [ASTNode::Stmt(statement @ Stmt::Expr(_)), ASTNode::Expr(chain)] => {
            let is_last = rule.statements().last().is_some_and(|last| std::ptr::eq(last, *statement));
            !is_last && Chain::of(chain).links.last().and_then(field_of_method).is_some()
        }
        [.., ASTNode::Stmt(Stmt::Assignment(assignment)), ASTNode::Expr(chain)] => {
            let (operator, sides) = &**assignment;
            let is_place = std::ptr::eq(&raw const sides.lhs, *chain);
            is_place
                && !operator.is_op_assignment()
                && Chain::of(chain).links.iter().all(|link| name(link).is_some())
        }
        _ => false,
    }
}

/// The names behind `event` in a chain that begins with it.
fn path_of(around: &ASTNode<'_>) -> Option<Vec<String>> {
    let ASTNode::Expr(chain) = around else { return None };
    let chain = Chain::of(chain);
    let begins = matches!(chain.base, Expr::Variable(variable, ..) if variable.1 == EVENT);
    let mut names: Vec<String> = chain.links.iter().map_while(name).collect();
    names.extend(chain.links.get(names.len()).and_then(field_of_method));
    (begins && !names.is_empty()).then_some(names)
}

/// The one field that a method looks at.
fn field_of_method(link: &Link<'_>) -> Option<String> {
    let Expr::MethodCall(call, _) = link.what else { return None };
    match &call.args[..] {
        [Expr::StringConstant(field, _)] if METHODS_OF_ONE_FIELD.contains(&call.name.as_str()) => {
            Some(field.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rhai::Map;

    use super::*;
    use crate::library::Surroundings;
    use crate::program::Program;
    use crate::tree;

    fn projected(rule: &str, event: &str) -> Option<String> {
        part(&Program::expression(&rule.into()).unwrap(), event)
    }

    fn part(program: &Program, event: &str) -> Option<String> {
        let projection = Projection::of(program.ast());
        let (_, tree) = projection.part(&Bytes::copy_from_slice(event.as_bytes()))?;
        Some(shown(&tree))
    }

    fn shown(value: &Dynamic) -> String {
        if tree::is_unread(value) {
            return "?".to_owned();
        }
        let Some(map) = value.read_lock::<Map>().filter(|_| tree::is_partial(value)) else {
            return String::from_utf8(crate::write::json(value).unwrap()).unwrap();
        };
        let fields: Vec<String> =
            map.iter().map(|(name, value)| format!("\"{name}\":{}", shown(value))).collect();
        format!("{{{}}}", fields.join(","))
    }

    #[test]
    fn only_what_is_named_is_read() {
        let event = r#"{"a":{"b":[1,{"c":2}],"x":1},"d":null,"e":"text","f":1}"#;
        for (rule, expected) in [
            ("event.a.b[1].c == 2", r#"{"a":{"b":[1,{"c":2}]}}"#),
            ("event.a.b.len() == event.d", r#"{"a":{"b":[1,{"c":2}]},"d":null}"#),
            ("event.e.f.g == event.nope.x", r#"{"e":"text"}"#),
            ("event.a.len() > event.a.x", r#"{"a":{"b":[1,{"c":2}],"x":1}}"#),
            ("`${event.e}` == event[\"f\"]", r#"{"e":"text","f":1}"#),
        ] {
            assert_eq!(projected(rule, event).as_deref(), Some(expected), "{rule}");
        }
        for whole in ["\"a\" in event", "event.len() == 1", "event.a == event", "event[meta.key] == 1"] {
            assert_eq!(projected(whole, event), None, "{whole}");
        }
    }

    #[test]
    fn what_is_only_taken_out_or_replaced_is_not_read() {
        let event = r#"{"a":[1,2],"b":"text","c":{"x":1,"y":[3]}}"#;
        for (script, expected) in [
            ("event.remove(\"a\"); event.b = 1;", r#"{"a":?,"b":?}"#),
            ("event.c.x = 1; event.c.remove(\"y\"); ()", r#"{"c":{"x":?,"y":?}}"#),
            ("event.b = event.remove(\"a\");", r#"{"a":[1,2],"b":?}"#),
            ("event.remove(\"a\")", r#"{"a":[1,2]}"#),
            ("if true { event.remove(\"a\") }", r#"{"a":[1,2]}"#),
            ("event.b += 1; event.a[0] = 2;", r#"{"a":[1,2],"b":"text"}"#),
            ("event.c = #{}; event.c.x.y = 1;", r#"{"c":{"x":1}}"#),
        ] {
            let program = Program::script(&script.into(), &Surroundings::default()).unwrap();
            assert_eq!(part(&program, event).as_deref(), Some(expected), "{script}");
        }
    }
}

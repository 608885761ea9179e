//! For rules that are interpreted: a tree of the fields that they name instead of the whole event.
//!
//! Invariant: a rule cannot tell the difference. Wherever the event is used as a whole, or holds something that is not
//! certainly read, the whole tree is built. A map of which only some fields were read carries a tag of its own, so that
//! whoever writes the event anew knows that the others are still there.

use rhai::{AST, ASTNode, Dynamic, Expr, Map, Scope, Stmt};
use sluicebox_core::Event;
use smol_str::SmolStr;

use super::LARGEST_BYTES;
use super::compile::name;
use super::fields::Fields;
use super::scan::{Kind, Native, Scanner, Token, Unusual};
use super::value::Value;
use crate::claim::{Chain, Link};
use crate::error::RuleError;
use crate::view::{self, EVENT, Needs};
use crate::{budget, tree};

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
    pub(crate) fn read(&self, json: &[u8]) -> Result<Dynamic, RuleError> {
        let part = self.0.as_ref().and_then(|fields| read(fields, json).ok());
        match part {
            Some(part) => Ok(part),
            None => view::read(json),
        }
    }
}

/// Adds what a rule names; false if it uses the event as a whole.
fn add_fields(rule: &AST, fields: &mut Fields) -> bool {
    let mut names_all = true;
    rule.walk(&mut |path: &[ASTNode<'_>]| {
        match path {
            [around @ .., ASTNode::Expr(Expr::Variable(variable, ..))] if variable.1 == EVENT => {
                match around.last().and_then(path_of) {
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

fn read(fields: &Fields, bytes: &[u8]) -> Native<Dynamic> {
    if bytes.len() > LARGEST_BYTES || fields.names().is_empty() {
        return Err(Unusual);
    }
    budget::reads(bytes.len());
    let mut part = Part { fields, bytes, scanner: Scanner::new(bytes, 0) };
    let event = part.map(0, 1)?;
    part.scanner.end()?;
    Ok(event)
}

/// An event of which a part is read.
struct Part<'e> {
    fields: &'e Fields,
    bytes: &'e [u8],
    scanner: Scanner<'e>,
}

impl Part<'_> {
    /// The map that begins here, for a name of the tree; of duplicate keys the last wins.
    fn map(&mut self, name: usize, depth: usize) -> Native<Dynamic> {
        let mut map = Map::new();
        self.scanner.enter_object()?;
        while let Some(key) = self.scanner.next_key()? {
            match self.fields.wanted(name, &self.scanner, key)? {
                Some(child) => {
                    let value = self.value(child, depth)?;
                    map.insert(self.fields.names()[child].text.as_str().into(), value);
                }
                None => _ = self.scanner.value(depth)?,
            }
        }
        let mut map = Dynamic::from_map(map);
        map.set_tag(tree::PARTIAL_TAG);
        Ok(map)
    }

    fn value(&mut self, name: usize, depth: usize) -> Native<Dynamic> {
        if !self.fields.names()[name].is_leaf && self.scanner.is_at_map() {
            return self.map(name, depth + 1);
        }
        let token = self.scanner.value(depth)?;
        whole(token, self.bytes)
    }
}

fn whole(token: Token, bytes: &[u8]) -> Native<Dynamic> {
    if matches!(token.kind, Kind::Map | Kind::List) {
        return tree::read_part(token.text(bytes)).map_err(|_| Unusual);
    }
    Ok(match Value::of(token, bytes)? {
        Value::Unit => Dynamic::UNIT,
        Value::Bool(truth) => truth.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Text(text) => std::str::from_utf8(&text).map_err(|_| Unusual)?.into(),
        Value::Map(_) | Value::List(_) => return Err(Unusual),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Program;

    fn projected(rule: &str, event: &str) -> Option<String> {
        let program = Program::expression(&rule.into()).unwrap();
        let fields = Projection::of(program.ast()).0?;
        let read = read(&fields, event.as_bytes()).unwrap();
        Some(String::from_utf8(crate::write::json(&read).unwrap()).unwrap())
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
}

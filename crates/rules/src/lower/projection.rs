//! For rules that are interpreted and only read: a tree of the fields that they name instead of the whole event.
//!
//! Invariant: a rule cannot tell the difference. Wherever the event is used as a whole, or holds something that is not
//! certainly read, the whole tree is built.

use rhai::{AST, ASTNode, Dynamic, Expr, Map, Scope};
use sluicebox_core::Event;

use super::LARGEST_BYTES;
use super::compile::name;
use super::fields::{Fields, Found, MOST};
use super::scan::{Kind, Native, Unusual};
use super::value::Value;
use crate::claim::Chain;
use crate::error::RuleError;
use crate::tree;
use crate::view::{self, EVENT, Needs};

/// The fields that a rule reads, if it reads only some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projection(Option<Fields>);

impl Projection {
    /// The fields that a compiled expression reads.
    pub(crate) fn of(expression: &AST) -> Self {
        Self(fields(expression))
    }

    /// The variables for one evaluation that only reads.
    ///
    /// # Errors
    /// The event cannot be read as a tree.
    pub(crate) fn variables(&self, event: &Event, needs: Needs) -> Result<Scope<'static>, RuleError> {
        let tree =
            self.0.as_ref().filter(|_| needs.event).and_then(|fields| read(fields, &event.json()).ok());
        match tree {
            Some(tree) => Ok(view::constants(tree, event.meta(), needs)),
            None => view::variables(event, needs),
        }
    }
}

fn fields(expression: &AST) -> Option<Fields> {
    let mut fields = Fields::default();
    let mut is_partial = true;
    expression.walk(&mut |path: &[ASTNode<'_>]| {
        if let [around @ .., ASTNode::Expr(Expr::Variable(variable, ..))] = path
            && variable.1 == EVENT
        {
            match around.last().and_then(|around| path_of(around)) {
                Some(names) => _ = fields.number(&names),
                None => is_partial = false,
            }
        }
        is_partial
    });
    if !is_partial || fields.count() == 0 {
        return None;
    }
    // The maps on the way are looked at too: something else may stand in their place.
    let leaves = fields.count();
    (1..fields.names().len()).for_each(|name| _ = fields.number_of(name));
    fields.mark_leaves(leaves);
    Some(fields).filter(|fields| fields.count() <= MOST)
}

/// The names behind `event` in a chain that begins with it.
fn path_of(around: &ASTNode<'_>) -> Option<Vec<String>> {
    let ASTNode::Expr(chain) = around else { return None };
    let chain = Chain::of(chain);
    let begins = matches!(chain.base, Expr::Variable(variable, ..) if variable.1 == EVENT);
    let names: Vec<String> = chain.links.iter().map_while(name).collect();
    (begins && !names.is_empty()).then_some(names)
}

fn read(fields: &Fields, bytes: &[u8]) -> Native<Dynamic> {
    if bytes.len() > LARGEST_BYTES {
        return Err(Unusual);
    }
    let found = fields.find(bytes)?;
    let mut event = map(fields, 0, &found, bytes)?;
    event.set_tag(tree::EVENT_TAG);
    Ok(event)
}

fn map(fields: &Fields, around: usize, found: &Found, bytes: &[u8]) -> Native<Dynamic> {
    let mut map = Map::new();
    for child in &fields.names()[around].inside {
        let name = &fields.names()[*child];
        let token = name.field.map(|field| found[field]).unwrap_or_default();
        let value = match token.kind {
            Kind::Missing | Kind::Blocked => continue,
            Kind::Map if !name.is_leaf => self::map(fields, *child, found, bytes)?,
            Kind::Map | Kind::List => tree::read_part(token.text(bytes)).map_err(|_| Unusual)?,
            _ => dynamic(&Value::of(token, bytes)?)?,
        };
        map.insert(name.text.as_str().into(), value);
    }
    let mut map = Dynamic::from_map(map);
    map.set_tag(tree::NESTED_TAG);
    Ok(map)
}

fn dynamic(value: &Value<'_>) -> Native<Dynamic> {
    Ok(match value {
        Value::Unit => Dynamic::UNIT,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => std::str::from_utf8(text).map_err(|_| Unusual)?.into(),
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

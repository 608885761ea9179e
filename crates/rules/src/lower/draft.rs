//! An event while a native script changes it: what came, and beside it what was decided for the names of the tree.
//!
//! Invariant: a name is decided at most once at a time, and what is decided for a name counts for everything inside.

use std::io::Write;

use sluicebox_core::Meta;

use super::fields::Fields;
use super::node::{Node, Reading};
use super::objects::Objects;
use super::scan::{Kind, Native, Span, Token, Unusual};
use super::value::Value;
use crate::{tree, write};

/// An event and everything that was written into it are together smaller than this, so that no size that the
/// interpreter watches can be reached: an item of a list takes two bytes.
const LARGEST_BYTES: usize = 19_000;
/// Nesting of what is copied; far below what the interpreter allows, wherever it is put.
const DEPTH: usize = 48;

/// What was decided for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing; something inside may have changed.
    Kept { is_dirty: bool },
    /// It is not there any more.
    Removed,
    /// A value in [`Draft::written`].
    Set(Token),
    /// A new map, of what was decided for the names inside.
    Made,
}

/// An event while it is changed.
pub(super) struct Draft<'e> {
    pub(super) fields: &'e Fields,
    pub(super) bytes: &'e [u8],
    pub(super) objects: Objects,
    pub(super) states: Vec<State>,
    /// JSON text of the values that were set.
    pub(super) written: Vec<u8>,
    spare: Vec<u8>,
    meta: &'e Meta,
}

impl<'e> Draft<'e> {
    /// A draft of an event as it came.
    pub(super) fn new(fields: &'e Fields, bytes: &'e [u8], meta: &'e Meta) -> Native<Self> {
        if bytes.len() > LARGEST_BYTES {
            return Err(Unusual);
        }
        let objects =
            if fields.names().is_empty() { Objects::default() } else { Objects::read(fields, bytes)? };
        let states = vec![State::Kept { is_dirty: false }; fields.names().len()];
        Ok(Self { fields, bytes, objects, states, written: Vec::new(), spare: Vec::new(), meta })
    }

    /// Sets a name to a value that was written.
    pub(super) fn set(&mut self, name: usize, value: Token) -> Native<()> {
        self.may_change(name)?;
        self.decide(name, State::Set(value));
        Ok(())
    }

    /// Sets a name to a new, empty map.
    pub(super) fn make(&mut self, name: usize) -> Native<()> {
        self.may_change(name)?;
        self.decide(name, State::Made);
        self.forget_inside(name);
        Ok(())
    }

    /// Takes a name out.
    pub(super) fn remove(&mut self, name: usize) -> Native<()> {
        self.may_change(name)?;
        self.decide(name, State::Removed);
        Ok(())
    }

    fn decide(&mut self, name: usize, state: State) {
        self.states[name] = state;
        let mut around = name;
        while around > 0 {
            around = self.fields.names()[around].around;
            if let State::Kept { is_dirty } = &mut self.states[around] {
                *is_dirty = true;
            }
        }
    }

    fn forget_inside(&mut self, name: usize) {
        let fields = self.fields;
        for child in &fields.names()[name].inside {
            self.states[*child] = State::Removed;
            self.forget_inside(*child);
        }
    }

    /// Whether what is around a name is a map now; anything else is an error that the interpreter words.
    fn may_change(&self, name: usize) -> Native<()> {
        if name == 0 || self.is_reached(name)? { Ok(()) } else { Err(Unusual) }
    }

    /// Whether everything around a name is a map; false where something is missing.
    fn is_reached(&self, name: usize) -> Native<bool> {
        if name == 0 {
            return Ok(true);
        }
        let around = self.fields.names()[name].around;
        if !self.is_reached(around)? {
            return Ok(false);
        }
        let token = match self.states[around] {
            State::Made => return Ok(true),
            State::Removed => return Ok(false),
            State::Kept { .. } => self.objects.found[around],
            State::Set(token) if token.kind == Kind::Null => return Ok(false),
            // What was put there as a whole is not taken apart.
            State::Set(_) => return Err(Unusual),
        };
        match token.kind {
            Kind::Map => Ok(true),
            Kind::Missing | Kind::Null => Ok(false),
            _ => Err(Unusual),
        }
    }

    /// The value of a name now.
    fn value(&self, name: usize) -> Native<Value<'_>> {
        if !self.is_reached(name)? {
            return Ok(Value::Unit);
        }
        match self.states[name] {
            State::Removed => Ok(Value::Unit),
            State::Set(token) => Value::of(token, &self.written),
            State::Kept { is_dirty: false } => Value::of(self.objects.found[name], self.bytes),
            State::Made | State::Kept { is_dirty: true } => Err(Unusual),
        }
    }

    /// The value of an expression over this draft, written for setting it somewhere.
    pub(super) fn evaluate(&mut self, node: &Node) -> Native<Token> {
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        let value = node.value(self)?;
        write_value(&value, &mut text)?;
        let kind = kind_of(&value, &text);
        drop(value);
        let (start, inset) =
            (self.written.len(), usize::from(matches!(kind, Kind::Text | Kind::EscapedText)));
        self.written.extend_from_slice(&text);
        self.spare = text;
        if self.bytes.len() + self.written.len() > LARGEST_BYTES {
            return Err(Unusual);
        }
        let span = Span { start: start + inset, end: self.written.len() - inset };
        Ok(Token { kind, span })
    }
}

impl Reading for Draft<'_> {
    fn field(&self, number: usize) -> Native<Value<'_>> {
        self.value(self.fields.end(number))
    }

    fn is_there(&self, number: usize) -> Native<bool> {
        let name = self.fields.end(number);
        Ok(self.is_reached(name)?
            && match self.states[name] {
                State::Removed => false,
                State::Set(_) | State::Made => true,
                State::Kept { .. } => self.objects.found[name].kind != Kind::Missing,
            })
    }

    fn meta(&self) -> &Meta {
        self.meta
    }
}

fn kind_of(value: &Value<'_>, written: &[u8]) -> Kind {
    match value {
        Value::Unit => Kind::Null,
        Value::Bool(true) => Kind::True,
        Value::Bool(false) => Kind::False,
        Value::Int(_) | Value::Float(_) => Kind::Number,
        Value::Text(_) if written.contains(&b'\\') => Kind::EscapedText,
        Value::Text(_) => Kind::Text,
        Value::Map(_) => Kind::Map,
        Value::List(_) => Kind::List,
    }
}

/// JSON text of a value as the interpreter writes it.
pub(super) fn write_value(value: &Value<'_>, out: &mut Vec<u8>) -> Native<()> {
    match value {
        Value::Unit => out.extend_from_slice(b"null"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Int(number) => write!(out, "{number}").map_err(|_| Unusual)?,
        Value::Float(number) if number.is_finite() => {
            serde_json::to_writer(out, number).map_err(|_| Unusual)?;
        }
        Value::Float(_) => return Err(Unusual),
        Value::Text(text) => {
            if text.iter().any(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\') {
                let text = std::str::from_utf8(text).map_err(|_| Unusual)?;
                return serde_json::to_writer(out, text).map_err(|_| Unusual);
            }
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
        Value::Map(text) | Value::List(text) => {
            if nesting(text) > DEPTH {
                return Err(Unusual);
            }
            let tree = tree::read_value(text).map_err(|_| Unusual)?;
            out.extend(write::json(&tree).map_err(|_| Unusual)?);
        }
    }
    Ok(())
}

/// At least how deep a text is nested; brackets inside of texts count too.
fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

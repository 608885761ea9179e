//! A lowered expression: a small tree that is evaluated over whatever can give the values of fields.

use std::borrow::Cow;

use memchr::memmem::Finder;
use sluicebox_core::Meta;

use super::scan::{Native, Unusual};
use super::value::{Comparison, Function, Value, add, compare};

/// Where the values of an evaluation come from.
pub(super) trait Reading {
    /// The value of a field, by its number.
    fn field(&self, number: usize) -> Native<Value<'_>>;
    /// Whether the field is there, be it null; only asked when the field around it is a map.
    fn is_there(&self, number: usize) -> Native<bool>;
    /// The envelope.
    fn meta(&self) -> &Meta;
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Literal(pub(super) Value<'static>);

/// A lowered expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(Literal),
    Field(usize),
    Meta(Envelope),
    Compare(Comparison, Box<(Node, Node)>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// The first that is not missing.
    Default(Vec<Node>),
    /// `value in [literals]`
    Among(Box<Node>, Vec<Literal>),
    /// `"name" in field`: the field around, the field of that name, the name.
    Holds(usize, usize, String),
    /// `"part" in text`, `text.contains(part)`
    Contains(Box<(Node, Finder<'static>)>),
    StartsWith(Box<(Node, Node)>),
    EndsWith(Box<(Node, Node)>),
    Call(Function, Box<Node>),
    Add(Box<(Node, Node)>),
}

/// A field of `meta`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    Id,
    Type,
    Source,
    Account,
    Key,
    Time,
    Received,
    Lookup(String),
}

impl Envelope {
    fn value<'m>(&self, meta: &'m Meta) -> Value<'m> {
        let text = match self {
            Self::Id => &*meta.id,
            Self::Type => &*meta.event_type,
            Self::Source => &*meta.source,
            Self::Account => &*meta.account,
            Self::Key => &*meta.key,
            Self::Time => return Value::Text(Cow::Owned(meta.time.to_string().into_bytes())),
            Self::Received => return Value::Text(Cow::Owned(meta.received.to_string().into_bytes())),
            Self::Lookup(name) => match meta.lookups.get(name.as_str()) {
                Some(status) => status.as_str(),
                None => return Value::Unit,
            },
        };
        Value::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl Node {
    /// Its value.
    ///
    /// # Errors
    /// Only the interpreter may judge this event.
    pub(super) fn value<'r>(&'r self, reading: &'r impl Reading) -> Native<Value<'r>> {
        Ok(match self {
            Self::Literal(literal) => literal.0.borrowed(),
            Self::Field(number) => reading.field(*number)?,
            Self::Meta(field) => field.value(reading.meta()),
            Self::Default(nodes) => {
                for node in nodes {
                    let value = node.value(reading)?;
                    if value != Value::Unit {
                        return Ok(value);
                    }
                }
                Value::Unit
            }
            Self::Call(function, node) => function.call(node.value(reading)?)?,
            Self::Add(pair) => add(&pair.0.value(reading)?, &pair.1.value(reading)?)?,
            truth => Value::Bool(truth.truth(reading)?),
        })
    }

    /// Whether it is true; a value that is neither true nor false is for the interpreter to tell of.
    ///
    /// # Errors
    /// Only the interpreter may judge this event.
    pub(super) fn truth(&self, reading: &impl Reading) -> Native<bool> {
        match self {
            Self::Compare(by, pair) => compare(*by, &pair.0.value(reading)?, &pair.1.value(reading)?),
            Self::All(nodes) => {
                for node in nodes {
                    if !node.truth(reading)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(nodes) => {
                for node in nodes {
                    if node.truth(reading)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(node) => Ok(!node.truth(reading)?),
            Self::Among(node, literals) => {
                let value = node.value(reading)?;
                for literal in literals {
                    if compare(Comparison::Equal, &literal.0, &value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Holds(around, name, text) => match reading.field(*around)? {
                Value::Map(_) => reading.is_there(*name),
                Value::Text(whole) => Ok(memchr::memmem::find(&whole, text.as_bytes()).is_some()),
                Value::Unit => Ok(false),
                _ => Err(Unusual),
            },
            Self::Contains(pair) => Ok(pair.1.find(pair.0.value(reading)?.text()?).is_some()),
            Self::StartsWith(pair) => {
                Ok(pair.0.value(reading)?.text()?.starts_with(pair.1.value(reading)?.text()?))
            }
            Self::EndsWith(pair) => {
                Ok(pair.0.value(reading)?.text()?.ends_with(pair.1.value(reading)?.text()?))
            }
            Self::Literal(_)
            | Self::Field(_)
            | Self::Meta(_)
            | Self::Default(_)
            | Self::Call(..)
            | Self::Add(_) => self.value(reading)?.truth(),
        }
    }
}

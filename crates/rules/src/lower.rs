//! Native rules: conditions over the raw bytes of an event, without a tree and without the interpreter.
//!
//! A condition that only reads fields, compares them and calls simple functions is lowered, once, to a small tree of
//! our own ([`node`]). For an event its fields are found in one pass over the bytes ([`fields`], [`scan`]); nothing
//! else is read. Where a leading comparison with a text cannot hold, a search for that text answers alone
//! ([`refusal`]).
//!
//! Invariant: a lowered rule gives what the interpreter gives, errors included. It is kept in the simplest way: where
//! an event shows anything out of the ordinary (a method on a missing value, a number that is no `i64` or `f64`, half
//! a surrogate pair), nothing is decided here and the interpreter runs on that event. `tests/lowered.rs` compares both
//! over random rules and events.

mod compile;
mod fields;
mod node;
mod refusal;
mod scan;
mod value;

use std::fmt;
use std::sync::Arc;

use rhai::Expr;
use sluicebox_core::{Event, Meta};

use compile::Compiler;
use fields::{Fields, Found};
use node::{Node, Reading};
use refusal::Refusal;
use scan::{Kind, Native};
use value::Value;

/// Larger events are interpreted, so that what the interpreter says of their size holds.
const LARGEST_BYTES: usize = 256 << 10;

/// How a rule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Over the bytes of the event; the interpreter is asked only about events out of the ordinary.
    Native,
    /// By the interpreter over a tree of the event.
    Interpreted {
        /// Why it has no native form.
        because: String,
    },
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Interpreted { because } => write!(f, "interpreted: {because}"),
        }
    }
}

/// A condition that was lowered.
#[derive(Clone, Debug)]
pub(crate) struct NativeCondition(Arc<Lowered>);

#[derive(Debug)]
struct Lowered {
    node: Node,
    fields: Fields,
    refusal: Option<Refusal>,
}

impl NativeCondition {
    /// Lowers a condition.
    ///
    /// # Errors
    /// Why it must be interpreted.
    pub(crate) fn compile(condition: &Expr) -> Result<Self, String> {
        let mut compiler = Compiler::default();
        let node = compiler.node(condition)?;
        let fields = compiler.fields;
        let refusal = Refusal::of(&node, &fields);
        Ok(Self(Arc::new(Lowered { node, fields, refusal })))
    }

    /// Whether it is true for an event; `None`: the interpreter must say.
    pub(crate) fn matches(&self, event: &Event) -> Option<bool> {
        let Lowered { node, fields, refusal } = &*self.0;
        let meta = event.meta();
        if fields.is_empty() {
            return node.truth(&Read { bytes: &[], found: &Found::default(), meta }).ok();
        }
        let bytes = event.json();
        if bytes.len() > LARGEST_BYTES {
            return None;
        }
        if refusal.as_ref().is_some_and(|refusal| refusal.refuses(&bytes)) {
            return Some(false);
        }
        let found = fields.find(&bytes).ok()?;
        node.truth(&Read { bytes: &bytes, found: &found, meta }).ok()
    }
}

/// The fields that were found in an event.
struct Read<'e> {
    bytes: &'e [u8],
    found: &'e Found,
    meta: &'e Meta,
}

impl Reading for Read<'_> {
    fn field(&self, number: usize) -> Native<Value<'_>> {
        Value::of(self.found[number], self.bytes)
    }

    fn is_there(&self, number: usize) -> Native<bool> {
        Ok(self.found[number].kind != Kind::Missing)
    }

    fn meta(&self) -> &Meta {
        self.meta
    }
}

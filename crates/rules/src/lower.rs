//! Native rules: conditions over the raw bytes of an event, without a tree and without the interpreter.
//!
//! A condition that only reads fields, compares them and calls simple functions is lowered, once, to a small tree of
//! our own ([`node`]). For an event its fields are found in one pass over the bytes ([`fields`], [`scan`]); nothing
//! else is read. Where a leading comparison with a text cannot hold, a search for that text answers alone
//! ([`refusal`]). Scripts are lowered to steps over the maps that they touch ([`script`], [`draft`], [`splice`]).
//!
//! What must be interpreted reads no more than it names ([`projection`], [`part`]), and a script that only reads gets
//! a variable for each path ([`flat`]).
//!
//! Invariant: a lowered rule gives what the interpreter gives, errors included. It is kept in the simplest way: where
//! an event shows anything out of the ordinary (a method on a missing value, a number that is no `i64` or `f64`, half
//! a surrogate pair), nothing is decided here and the interpreter runs on that event. `tests/lowered.rs` compares both
//! over random rules and events.

mod compile;
mod draft;
mod entries;
mod fields;
mod flat;
mod node;
mod objects;
mod part;
mod projection;
mod refusal;
mod run;
mod scan;
mod script;
mod splice;
mod value;

use std::fmt;
use std::sync::Arc;

use rhai::{AST, Expr};
use sluicebox_core::{Event, Meta};

pub(crate) use entries::object_fields;
pub(crate) use flat::Flat;
pub(crate) use part::Part;
pub(crate) use projection::Projection;

use compile::Compiler;
use draft::Draft;
use fields::{Fields, Found, MOST};
use node::{Node, Reading};
use refusal::Refusal;
use run::Decided;
use scan::{Kind, Native};
use script::Step;
use value::Value;

use crate::outcome::{Emission, Emitted, ScriptOutcome};

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

/// Why a rule is interpreted whose caller wanted that.
pub(crate) const NOT_WANTED: &str = "its native form is not wanted";

impl Tier {
    /// The tier of what was or was not lowered.
    pub(crate) fn of<T>(native: &Result<T, String>) -> Self {
        match native {
            Ok(_) => Self::Native,
            Err(because) => Self::Interpreted { because: because.clone() },
        }
    }
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
        if fields.count() > MOST {
            return Err(format!("it reads more than {MOST} fields"));
        }
        let refusal = Refusal::of(&node, &fields);
        Ok(Self(Arc::new(Lowered { node, fields, refusal })))
    }

    /// Whether it is true for an event; `None`: the interpreter must say.
    pub(crate) fn matches(&self, event: &Event) -> Option<bool> {
        let Lowered { node, fields, refusal } = &*self.0;
        let meta = event.meta();
        if fields.names().is_empty() {
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

/// A script that was lowered.
#[derive(Clone, Debug)]
pub(crate) struct NativeScript(Arc<Steps>);

#[derive(Debug)]
struct Steps {
    steps: Vec<Step>,
    fields: Fields,
}

impl NativeScript {
    /// Lowers a script.
    ///
    /// # Errors
    /// Why it must be interpreted.
    pub(crate) fn compile(script: &AST) -> Result<Self, String> {
        let mut compiler = Compiler::default();
        let steps = compiler.script(script)?;
        Ok(Self(Arc::new(Steps { steps, fields: compiler.fields })))
    }

    /// What it makes of an event; `None`: the interpreter must say.
    pub(crate) fn run(&self, event: &Event) -> Option<ScriptOutcome> {
        let Steps { steps, fields } = &*self.0;
        let bytes = event.json();
        let mut draft = Draft::new(fields, &bytes, event.meta()).ok()?;
        let mut decided = Decided::default();
        draft.run(steps, &mut decided).ok()?;
        let event = match draft.changed().ok()? {
            Some(json) => Emitted::Changed(json.into()),
            None => Emitted::Unchanged,
        };
        let emission = Emission { output: decided.output, event };
        let emitted = if decided.is_dropped { Vec::new() } else { vec![emission] };
        Some(ScriptOutcome { emitted, ..ScriptOutcome::default() })
    }
}

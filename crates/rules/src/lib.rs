//! Rules: the conditions, expressions, templates and scripts of a pipeline file, written in Rhai.
//!
//! Floor 1 of the house. Everything is compiled once, with every error placed in the user's file, and evaluated per
//! event under limits. Invariant: a rule reaches no file, network, clock or other event, and no rule can panic, hang
//! or escape: whatever goes wrong on one event is a [`RuleError`] with its place, and the next event is unaffected.
//!
//! What a rule sees: `event` (the upstream JSON) and `meta` (ours, read-only). A missing field is `()` at any depth;
//! `==` and the orderings with it are false, `!=` is true, and calling a method on it is an error.

mod budget;
mod claim;
mod compare;
mod condition;
mod copies;
mod coverage;
mod cycles;
mod depth;
mod effects;
mod error;
mod escape;
mod expression;
mod functions;
mod language;
mod library;
mod limits;
mod lower;
mod origin;
mod outcome;
mod program;
mod script;
mod semicolons;
mod shared_text;
mod state;
mod template;
mod tree;
mod unknown;
mod view;
mod write;

pub use claim::{Claim, Compared, Comparison, Flow, Literal, PathStep, Read, Step};
pub use condition::{Condition, check_condition};
pub use coverage::{Coverage, Point, Way};
pub use error::RuleError;
pub use expression::Expression;
pub use functions::{Family, Function, families, functions};
pub use library::{Library, Surroundings};
pub use lower::Tier;
pub use outcome::{Emission, Emitted, ScriptOutcome};
pub use script::Script;
pub use state::{State, StateDeclaration, StateKind};
pub use template::{Template, TemplateKind};

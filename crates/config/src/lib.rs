//! The pipeline file: parsed, interpolated, checked, and turned into a [`Plan`].
//!
//! Floor 1 of the house. Only this crate knows YAML. It reads no environment and no disk of its own: variables come
//! through [`Variables`], scripts through [`sluicebox_core::ScriptFiles`]. It prints nothing; every fault is data with
//! its place in the text, all of them are collected, and `cli` alone renders them.

mod plan;
mod report;
mod variables;

pub use plan::{AccountPlan, DeadLetterPolicy, Input, Plan, Route, SinkPlan, SourcePlan, TransformPlan};
pub use report::{LocatedProblem, Report};
pub use variables::{Inputs, Variables};

//! The pipeline file: parsed, interpolated, checked, and turned into a [`Plan`].
//!
//! Floor 1 of the house. Only this crate knows YAML. It reads no environment and no disk of its own: variables come
//! through [`Variables`], scripts through [`sluicebox_core::ScriptFiles`]. It prints nothing; every fault is data with
//! its place in the text, all of them are collected, and `cli` alone renders them.
//!
//! The way of a file: `yaml` makes a tree that keeps source text and places; `shape` walks it along the declaration of
//! each component, filling in references (`interpolate`) and typing every value (`form`); `component`, with `source`,
//! `transform` and `sink`, splits off the options of its kind (`common`) and lets it check itself; `graph` resolves
//! inputs; `routes` works out what is promised; `review` has every rule judged by what is known of the events that
//! reach it; `cases` reads the tests; `load` holds it together.

mod account_rows;
mod accounts;
mod cases;
mod component;
mod declared;
mod document;
mod faults;
mod form;
mod graph;
mod interpolate;
mod letters;
mod listening;
mod load;
mod misfit;
mod node;
mod options;
mod own_files;
mod plan;
mod repeats;
mod report;
mod review;
mod routes;
mod schema;
mod shape;
mod sink;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod transform;
mod variables;
mod yaml;

pub use cases::{
    Expectations, Expected, ExpectedList, FaultWord, Given, GivenFault, GivenPage, MetricSelector, Place,
    Reply, TestCase, load_tests,
};
pub use document::document;
pub use load::load;
pub use plan::{
    AccountPlan, AccountsFrom, AccountsPlace, DeadLetterPolicy, Input, Plan, Route, SinkPlan, SourcePlan,
    TransformPlan,
};
pub use report::{LocatedProblem, Report};
pub use schema::{common_options, schema};
pub use variables::{Inputs, Variables};

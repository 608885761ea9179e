//! Tests of whole files: what is reported, where, and what a right file becomes.

mod accounts;
mod cases;
mod graph;
mod listening;
mod review;
mod secrets;
mod syntax;
mod values;

use crate::Plan;
use crate::testing::{Outside, shown};

/// The plan of a right file.
fn plan(outside: &Outside, text: &str) -> Plan {
    outside.load(text).unwrap_or_else(|problems| {
        let shown: Vec<String> = problems.iter().map(shown).collect();
        panic!("unexpected problems:\n{}", shown.join("\n"))
    })
}

/// Asserts that a wrong file is reported exactly so.
#[track_caller]
fn assert_problems(text: &str, expected: &[&str]) {
    assert_eq!(Outside::new(&[("TOKEN", "t0ps3cret")]).problems(text), expected);
}

/// A source with these lines more, read by a sink.
fn with_source(lines: &str) -> String {
    let lines = indented(lines);
    format!(
        "sources:\n  a:\n    type: feed\n    token: ${{TOKEN}}\n{lines}sinks:\n  z: {{type: plain, inputs: a}}\n"
    )
}

/// A transform with these lines more, between a source and a sink.
fn with_transform(lines: &str) -> String {
    let lines = indented(lines);
    let source = "sources:\n  a: {type: feed, token: \"${TOKEN}\"}\n";
    format!("{source}transforms:\n  t:\n    inputs: a\n{lines}sinks:\n  z: {{type: plain, inputs: t}}\n")
}

fn indented(lines: &str) -> String {
    lines.lines().fold(String::new(), |text, line| text + "    " + line + "\n")
}

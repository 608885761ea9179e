//! `cargo xtask ci`: the steps of continuous integration, cheap ones first, the tests last.
//!
//! The tests install and start the servers that they need, as `cargo xtask test --install` does.
//! Every step runs even when an earlier one failed, so that one run shows everything. Invariant: no step sets compiler
//! flags of its own, so that nothing is built twice: clippy and the documentation share one pass over the dependencies,
//! the reference and the tests another.

use std::path::Path;
use std::time::Instant;

use crate::{Outcome, cargo, reference, test, tidy};

type Step = (&'static str, fn(&Path) -> Outcome);

const STEPS: &[Step] = &[
    ("fmt", |root| cargo::succeeds(root, &["fmt", "--all", "--", "--check"])),
    ("tidy", tidy::check),
    ("deny", deny),
    ("clippy", |root| {
        cargo::succeeds(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    }),
    ("doc", doc),
    ("gen --check", reference::check),
    ("test", |root| test::run(root, &test::Options::with_install())),
];

/// Runs every step and names the failed ones at the end.
pub(crate) fn run(root: &Path) -> bool {
    let failed = run_steps(STEPS, root);
    if !failed.is_empty() {
        eprintln!("ci: failed: {}", failed.join(", "));
    }
    failed.is_empty()
}

fn run_steps(steps: &[Step], root: &Path) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("ci: {name}");
        let start = Instant::now();
        let passed = step(root).unwrap_or_else(|error| {
            eprintln!("ci: {name}: {error}");
            false
        });
        if !passed {
            failed.push(*name);
        }
        let verdict = if passed { "passed" } else { "FAILED" };
        println!("ci: {name} {verdict} after {} s", start.elapsed().as_secs());
    }
    failed
}

/// Broken links in the documentation are errors. The flag is for rustdoc alone; the compiler's stay as they are.
fn doc(root: &Path) -> Outcome {
    let mut command = cargo::command(root, &["doc", "--workspace", "--no-deps"]);
    Ok(command.env("RUSTDOCFLAGS", "-D warnings").status()?.success())
}

/// Licences, bans and advisories (`deny.toml`); a machine without cargo-deny skips them and says so.
fn deny(root: &Path) -> Outcome {
    if !cargo::command(root, &["deny", "--version"]).output()?.status.success() {
        println!("cargo-deny is not installed: licences, bans and advisories are not checked here.");
        return Ok(true);
    }
    cargo::succeeds(root, &["deny", "--workspace", "check"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_the_others_still_run() {
        let steps: &[Step] =
            &[("red", |_| Ok(false)), ("green", |_| Ok(true)), ("broken", |_| Err("no such program".into()))];
        assert_eq!(run_steps(steps, Path::new(".")), ["red", "broken"]);
    }
}

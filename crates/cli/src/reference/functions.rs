//! The functions that rules may call, as `explain` and the reference show them, from the catalogue in `rules`.

use std::fmt::Write as _;

use sluicebox_rules::{Function, families, functions};

use super::text::wrapped;
use super::unknown;
use crate::arguments::PageFormat;
use crate::exit::{Ended, Exit};
use crate::terminal;

/// The transform whose fields are functions too: `explain rhai.trim`.
pub(super) const TRANSFORM: &str = "rhai";

/// What the catalogue itself is called: `explain functions`.
pub(super) const SUBJECT: &str = "functions";

/// The end of the transform's page in the reference.
pub(super) const LINK: &str = "## Functions\n\nEvery function that a script, a condition or a template may call: [functions](../functions.md).\n";

/// Prints the catalogue, or what one function does.
pub(super) fn explain(name: Option<&str>, format: PageFormat) -> Ended {
    let page = match (name, format) {
        (None, PageFormat::Text) => Some(list()),
        (None, PageFormat::Markdown) => Some(markdown()),
        (Some(name), _) => page(name),
    };
    if let Some(page) = page {
        terminal::print(&page);
        return Ok(Exit::Done);
    }
    let name = name.unwrap_or_default();
    let names: Vec<&str> = functions().map(|function| function.name).collect();
    Err(unknown(&format!("there is no function {name}"), name, &names)
        .help_if_none("`sluicebox explain functions` shows all"))
}

/// What goes by a name: a function of text and one of lists may share it.
pub(super) fn page(name: &str) -> Option<String> {
    let mut text = String::new();
    for family in families() {
        for function in family.functions.iter().filter(|function| function.name == name) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let Function { signature, summary, example, gives, .. } = function;
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{gap}{signature}   [{}]\n\n{}\n", family.name, wrapped(summary, 2));
            let _ = writeln!(text, "  {example}\n  → {gives}");
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The names, family by family: the end of `explain rhai`.
pub(super) fn names() -> String {
    let mut text = String::from("Functions of scripts, conditions and templates\n\n");
    for family in families() {
        let mut names: Vec<&str> = family.functions.iter().map(|function| function.name).collect();
        names.dedup();
        let _ = writeln!(text, "  {}\n{}", family.name, wrapped(&names.join(", "), 6));
    }
    text.push_str(
        "\n`sluicebox explain rhai.NAME` shows what one does, with an example; `explain functions` all.\n",
    );
    text
}

/// Every function with its summary.
fn list() -> String {
    let mut text = String::new();
    for family in families() {
        let _ = writeln!(text, "{}\n{}\n", family.name, wrapped(family.summary, 2));
        for Function { signature, summary, .. } in family.functions {
            let _ = writeln!(text, "  {signature}\n{}", wrapped(summary, 6));
        }
        text.push('\n');
    }
    text
}

/// The page of the reference.
fn markdown() -> String {
    let mut text = String::from(
        "# Functions\n\nWhat scripts, conditions, expressions and templates may call, with an example of each and its \
         value. Every function is also a method: `trim(text)` is `text.trim()`. All give the same for the same event: \
         none knows the time, rolls dice, or reads a file or the network. The examples are run as tests.\n\n",
    );
    for family in families() {
        let _ = writeln!(text, "- [{0}](#{0}): {1}", family.name, first_sentence(family.summary));
    }
    for family in families() {
        let _ = writeln!(text, "\n## {}\n\n{}\n", family.name, family.summary);
        text.push_str("| Function | What it does | Example | Gives |\n|---|---|---|---|\n");
        for Function { signature, summary, example, gives, .. } in family.functions {
            let (signature, example, gives) = (code(signature), code(example), code(gives));
            let _ = writeln!(text, "| {signature} | {} | {example} | {gives} |", cell(summary));
        }
    }
    text
}

fn first_sentence(text: &str) -> &str {
    let ends = [": ", ". "].iter().filter_map(|end| text.find(end));
    text[..ends.min().unwrap_or(text.len())].trim_end_matches('.')
}

/// Text that stays inside one cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Code inside a cell; what holds a backtick is set between two.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {} ``", cell(text)) } else { format!("`{}`", cell(text)) }
}

//! The reference as text for a terminal.

use std::fmt::Write as _;

use sluicebox_core::ComponentKind;

use super::example;
use super::options::Opt;
use super::subject::Subject;

/// Width of running text.
const WIDTH: usize = 100;

/// Types by kind with their summaries.
pub(crate) fn list(subjects: &[Subject<'_>]) -> String {
    let width = subjects.iter().map(|subject| subject.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let kinds = [
        (ComponentKind::Source, "Sources"),
        (ComponentKind::Transform, "Transforms"),
        (ComponentKind::Sink, "Sinks"),
    ];
    for (kind, title) in kinds {
        let of_kind: Vec<_> = subjects.iter().filter(|subject| subject.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{title}");
        for subject in of_kind {
            let _ = writeln!(text, "  {:width$}  {}", subject.name, subject.summary());
        }
    }
    text
}

/// The page of a type.
pub(crate) fn page(subject: &Subject<'_>) -> String {
    let mut text = format!("{} ({})\n\n", subject.name, subject.kind.as_str());
    for paragraph in subject.description().split("\n\n").filter(|it| !it.trim().is_empty()) {
        let _ = writeln!(text, "{}\n", wrapped(paragraph, 0));
    }
    if !subject.promise.is_empty() {
        let _ = writeln!(text, "{}\n", wrapped(&subject.promise, 0));
    }
    section(&mut text, "Options", &subject.options());
    section(&mut text, &format!("Options of every {}", subject.kind.as_str()), &subject.common_options());
    let _ = writeln!(text, "Example\n");
    for line in example::yaml(subject).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// One option with those inside it; `None` if there is none of that name.
pub(crate) fn option(subject: &Subject<'_>, path: &str) -> Option<String> {
    let inside = format!("{path}.");
    let all = subject.all_options().into_iter();
    let options: Vec<Opt> = all.filter(|it| it.path == path || it.path.starts_with(&inside)).collect();
    if options.is_empty() {
        return None;
    }
    let mut text = String::new();
    section(&mut text, &format!("{}.{path} ({})", subject.name, subject.kind.as_str()), &options);
    Some(text)
}

fn section(text: &mut String, title: &str, options: &[Opt]) {
    if options.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}\n");
    for option in options {
        let Opt { path, takes, description, .. } = option;
        let required = if option.required { ", required" } else { "" };
        let default = option.default.as_ref().map(|it| format!(", default {it}")).unwrap_or_default();
        let _ = writeln!(text, "  {path}: {takes}{required}{default}");
        if !description.is_empty() {
            let _ = writeln!(text, "{}", wrapped(description, 6));
        }
        for example in &option.examples {
            let _ = writeln!(text, "      for example: {}", example.replace('\n', "\n                   "));
        }
    }
    text.push('\n');
}

/// Running text in lines of at most [`WIDTH`] characters. A block (code, a list, a table) is left as it is.
pub(super) fn wrapped(paragraph: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let is_block = ["|", "- ", "* ", "```", "  "].iter().any(|start| paragraph.starts_with(start));
    if is_block {
        return paragraph.lines().map(|line| format!("{pad}{line}")).collect::<Vec<_>>().join("\n");
    }
    let mut lines = vec![pad.clone()];
    for word in paragraph.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > indent && line + 1 + word.chars().count() > WIDTH {
            lines.push(pad.clone());
        }
        if let Some(line) = lines.last_mut() {
            if line.len() > indent {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

//! The reference as a Markdown page: what `docs/reference` is made of.

use std::fmt::Write as _;

use super::example;
use super::options::Opt;
use super::subject::Subject;

/// The page of a type.
pub(crate) fn page(subject: &Subject<'_>) -> String {
    let kind = subject.kind.as_str();
    let mut text = format!("# `{}`\n\nA {kind}. {}\n", subject.name, subject.description().trim());
    if !subject.promise.is_empty() {
        let _ = writeln!(text, "\n{}", subject.promise);
    }
    let _ = writeln!(text, "\n## Example\n\n```yaml\n{}```", example::yaml(subject));
    table(&mut text, "Options", &subject.options());
    table(&mut text, &format!("Options of every {kind}"), &subject.common_options());
    text
}

fn table(text: &mut String, title: &str, options: &[Opt]) {
    if options.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n\n| Option | Takes | Default | Meaning |\n|---|---|---|---|");
    for option in options {
        let default = match (&option.default, option.required) {
            (Some(default), _) if !default.is_empty() => format!("`{}`", cell(default)),
            (_, true) => "required".to_owned(),
            _ => String::new(),
        };
        let examples: Vec<_> = option.examples.iter().map(|it| format!("`{}`", cell(it))).collect();
        let examples =
            if examples.is_empty() { String::new() } else { format!(" Example: {}", examples.join(", ")) };
        let (path, takes) = (&option.path, cell(&option.takes));
        let meaning = format!("{}{examples}", cell(&option.description));
        let _ = writeln!(text, "| `{path}` | {takes} | {default} | {} |", meaning.trim());
    }
}

/// Text that stays inside one cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

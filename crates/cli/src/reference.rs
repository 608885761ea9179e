//! The reference: `list`, `explain`, `schema` and `new`, from the declarations that parse the configuration.
//!
//! Invariant: nothing about a component is written here. What these verbs print and what `check` accepts cannot differ.

mod draft;
mod example;
mod functions;
mod markdown;
mod options;
mod packs;
mod subject;
mod text;

use serde::Serialize;
use sluicebox_core::{ComponentKind, Registry};

use crate::arguments::{ExplainArguments, Kinds, ListArguments, PageFormat, ReportFormat};
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;
use subject::Subject;

pub(crate) use draft::new;

/// One line of `list`.
#[derive(Serialize)]
struct Entry {
    kind: &'static str,
    #[serde(rename = "type")]
    name: &'static str,
    summary: String,
}

/// Prints the component types, by kind, and the packs of scripts.
pub(crate) fn list(registry: &Registry, arguments: &ListArguments) -> Exit {
    let subjects: Vec<Subject<'_>> =
        Subject::all(registry).into_iter().filter(|subject| is_of(arguments.kind, subject.kind)).collect();
    match arguments.format {
        ReportFormat::Json => {
            let entry = |subject: &Subject<'_>| Entry {
                kind: subject.kind.as_str(),
                name: subject.name,
                summary: subject.summary(),
            };
            let entries: Vec<Entry> = subjects.iter().map(entry).collect();
            // Texts only: nothing that cannot be JSON.
            terminal::print_line(&serde_json::to_string_pretty(&entries).unwrap_or_default());
        }
        ReportFormat::Text => {
            terminal::print(&text::list(&subjects));
            if is_of(arguments.kind, ComponentKind::Transform) {
                terminal::print(&packs::list());
            }
        }
    }
    Exit::Done
}

/// Whether a kind was asked for.
fn is_of(wanted: Option<Kinds>, kind: ComponentKind) -> bool {
    match wanted {
        None => true,
        Some(Kinds::Sources) => kind == ComponentKind::Source,
        Some(Kinds::Transforms) => kind == ComponentKind::Transform,
        Some(Kinds::Sinks) => kind == ComponentKind::Sink,
    }
}

/// Prints the JSON Schema of the pipeline file.
pub(crate) fn schema(registry: &Registry) -> Exit {
    terminal::print_line(&format!("{:#}", sluicebox_config::schema(registry)));
    Exit::Done
}

/// Prints the page of a component type or of a pack, or the part about one option; for `rhai`, about one function too.
pub(crate) fn explain(registry: &Registry, arguments: &ExplainArguments) -> Ended {
    let (name, field) = match arguments.subject.split_once('.') {
        Some((name, field)) => (name, Some(field)),
        None => (arguments.subject.as_str(), None),
    };
    let is_meant = |subject: &Subject<'_>| subject.name == name && is_of(arguments.kind, subject.kind);
    let subjects: Vec<Subject<'_>> = Subject::all(registry).into_iter().filter(is_meant).collect();
    if name == functions::SUBJECT {
        return functions::explain(field, arguments.format);
    }
    if subjects.is_empty() {
        if let Some(page) = packs::page(&arguments.subject) {
            terminal::print(&page);
            return Ok(Exit::Done);
        }
        let packs = packs::names();
        let types = Subject::all(registry).into_iter().map(|subject| subject.name);
        let names: Vec<&str> = types.chain(packs.iter().map(String::as_str)).collect();
        return Err(unknown(&format!("there is no component type {name}"), name, &names)
            .help_if_none("`sluicebox list` shows all"));
    }
    // A type may exist as a source and as a sink.
    let mut pages = Vec::new();
    for subject in &subjects {
        pages.push(match (field, arguments.format) {
            (None, PageFormat::Text) if name == functions::TRANSFORM => {
                format!("{}\n{}", text::page(subject), functions::names())
            }
            (None, PageFormat::Markdown) if name == functions::TRANSFORM => {
                format!("{}\n{}", markdown::page(subject), functions::LINK)
            }
            (None, PageFormat::Text) => text::page(subject),
            (None, PageFormat::Markdown) => markdown::page(subject),
            (Some(field), _) => match text::option(subject, field) {
                Some(text) => text,
                None => continue,
            },
        });
    }
    if pages.is_empty() {
        let field = field.unwrap_or_default();
        if name == functions::TRANSFORM
            && let Some(page) = functions::page(field)
        {
            terminal::print(&page);
            return Ok(Exit::Done);
        }
        let options: Vec<_> = subjects.iter().flat_map(Subject::all_options).collect();
        let mut names: Vec<&str> = options.iter().map(|option| option.path.as_str()).collect();
        let mut what = "option";
        if name == functions::TRANSFORM {
            names.extend(sluicebox_rules::functions().map(|function| function.name));
            what = "option or function";
        }
        return Err(unknown(&format!("{name} has no {what} {field}"), field, &names)
            .help_if_none(&format!("`sluicebox explain {name}` shows all")));
    }
    terminal::print(&pages.join("\n"));
    Ok(Exit::Done)
}

/// A wrong name, with the one that was probably meant.
fn unknown(message: &str, wrong: &str, names: &[&str]) -> Stop {
    let distance = |name: &str| strsim::damerau_levenshtein(wrong, name);
    // Of names that are as near, the one that was not typed to its end.
    let nearest = names.iter().min_by_key(|name| (distance(name), !name.starts_with(wrong)));
    let stop = Stop::usage(message);
    match nearest.filter(|name| distance(name) <= (wrong.chars().count() / 2).max(1)) {
        Some(name) => stop.help(format!("did you mean {name}?")),
        None => stop,
    }
}

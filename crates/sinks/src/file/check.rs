//! What is wrong with the options of the `file` sink that their types cannot say.

use std::time::Duration;

use sluicebox_core::Problem;

use crate::file::compression::Compression;
use crate::file::{FileSpec, Format, Rotate, csv};

/// The names of complete files count seconds.
const SHORTEST_STRETCH: Duration = Duration::from_secs(1);

pub(crate) fn problems(spec: &FileSpec) -> Vec<Problem> {
    let mut problems: Vec<Problem> = path(spec).into_iter().collect();
    match spec.format {
        Format::Csv => {
            problems.extend(csv::problems(spec.columns.as_ref()));
            if spec.envelope {
                let help = "columns can name `meta` too: `columns: { id: meta.id }`";
                problems.push(Problem::new("envelope", "a row has no envelope").with_help(help));
            }
        }
        Format::Jsonl if spec.columns.is_some() => {
            let help = "add `format: csv`, or remove them";
            problems.push(Problem::new("columns", "a JSON line has no columns").with_help(help));
        }
        Format::Jsonl => {}
    }
    problems.extend(spec.rotate.as_ref().and_then(rotate));
    if spec.parts && spec.rotate.is_none() {
        let help = "say when a file is complete: `rotate: { size: 64MiB, every: 1h }`";
        problems.push(Problem::new("parts", "parts need `rotate`").with_help(help));
    }
    if spec.max_open_files == 0 {
        problems.push(Problem::new("max_open_files", "expected at least 1"));
    }
    problems
}

fn path(spec: &FileSpec) -> Option<Problem> {
    let text = spec.path.text.as_str();
    if text.ends_with('/') {
        return Some(Problem::new("path", "this is a folder").with_help("add the name of a file"));
    }
    if let Err(problem) = spec.template() {
        return Some(problem.under("path"));
    }
    // Tools go by the name: `gzip -d` leaves a file without `.gz` alone.
    let packed = [Compression::Gzip, Compression::Zstd];
    let named = packed.into_iter().find(|kind| kind.suffix().is_some_and(|suffix| ends_in(text, suffix)));
    match (spec.compression.suffix(), named) {
        (Some(suffix), named) if named != Some(spec.compression) => {
            let message = format!("with this compression a path ends in `.{suffix}`");
            Some(
                Problem::new("path", message)
                    .with_help(format!("like `{}.{suffix}`", text.trim_end_matches('.'))),
            )
        }
        (None, Some(kind)) => {
            let name = if kind == Compression::Gzip { "gzip" } else { "zstd" };
            let message = "the name says that the file is compressed, but it would not be";
            Some(
                Problem::new("path", message)
                    .with_help(format!("add `compression: {name}`, or choose another name")),
            )
        }
        _ => None,
    }
}

fn ends_in(path: &str, suffix: &str) -> bool {
    path.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
}

fn rotate(rotate: &Rotate) -> Option<Problem> {
    match rotate {
        Rotate { size: None, every: None } => {
            let help = "like `rotate: { size: 64MiB }` or `rotate: { every: 1d }`";
            Some(Problem::new("rotate", "expected `size`, `every` or both").with_help(help))
        }
        Rotate { size: Some(size), .. } if size.0 == 0 => {
            Some(Problem::new("rotate.size", "expected at least 1B"))
        }
        Rotate { every: Some(every), .. } if every.0 < SHORTEST_STRETCH => {
            Some(Problem::new("rotate.every", "expected at least 1s"))
        }
        Rotate { .. } => None,
    }
}

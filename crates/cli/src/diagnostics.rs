//! Problems of a pipeline file for people, in the style of rustc: place, source line, caret, what was expected, help.
//!
//! `config` hands over data; only this page turns it into text.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use sluicebox_config::LocatedProblem;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The pipeline cannot run.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// All problems, one block each, with an empty line between them.
pub(crate) fn render(problems: &[LocatedProblem], severity: Severity, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let blocks = problems.iter().map(|problem| renderer.render(&[block(problem, severity)]) + "\n");
    blocks.collect::<Vec<_>>().join("\n")
}

fn block(problem: &LocatedProblem, severity: Severity) -> Group<'_> {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str());
    let group = if problem.source.is_empty() {
        let origin = Origin::path(problem.file.as_str()).line(problem.line).char_column(problem.column);
        title.element(origin)
    } else {
        let mark = AnnotationKind::Primary.span(span(problem));
        title.element(Snippet::source(problem.source.as_ref()).path(problem.file.as_str()).annotation(mark))
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The bytes to underline: on one line, so that a fault in a long block shows its beginning and not the block.
fn span(problem: &LocatedProblem) -> std::ops::Range<usize> {
    let source = &problem.source;
    let boundary =
        |offset: usize| (0..=offset.min(source.len())).rev().find(|at| source.is_char_boundary(*at));
    let start = boundary(problem.range.start).unwrap_or(0);
    let end = boundary(problem.range.end).unwrap_or(0).max(start);
    let line = source[start..end].find('\n').map_or(end, |newline| start + newline);
    start..line
}

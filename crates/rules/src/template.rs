//! Templates: text with `{{ expression }}` in it, for messages, paths and URLs.

use rhai::{Dynamic, Position};
use sluicebox_core::{Event, Located, Problem, Timestamp};

use crate::error::{RuleError, kind};
use crate::lower::Projection;
use crate::program::Program;
use crate::view::Needs;
use crate::{budget, escape, write};

/// What a template makes, and so how its values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateKind {
    /// Text for people: values as they are, missing is empty.
    Text,
    /// A file path: begins with a literal part, values are percent-encoded, an empty value is an error, `%…` in the
    /// literal parts is strftime of `meta.time` in UTC.
    Path,
    /// A URL: scheme and host are literal, values are percent-encoded, an empty value is an error.
    Url,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    kind: TemplateKind,
    parts: Vec<Part>,
    needs: Needs,
    reads: Projection,
    fixed: bool,
    prefix: String,
    place: Located,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Value(Box<Program>),
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// What is wrong, with the place inside the text: an expression, an unclosed `{{`, a directive of strftime, a path
    /// or URL that does not begin with a literal part.
    pub fn compile(text: &Located, kind: TemplateKind) -> Result<Self, Problem> {
        let parts = split(text)?;
        let mut template = Self {
            kind,
            needs: Needs::default(),
            reads: Projection::nothing(),
            fixed: !parts.iter().any(|part| matches!(part, Part::Value(_))),
            prefix: String::new(),
            place: Located { text: String::new(), ..text.clone() },
            parts,
        };
        for part in &template.parts {
            if let Part::Value(program) = part {
                template.needs = template.needs.and(program.needs());
                template.reads = template.reads.and(program.ast());
            }
        }
        if let Some(Part::Literal(literal)) = template.parts.first() {
            literal.clone_into(&mut template.prefix);
        }
        match kind {
            TemplateKind::Text => {}
            TemplateKind::Path => template.check_path()?,
            TemplateKind::Url => template.check_url()?,
        }
        Ok(template)
    }

    /// The text for an event.
    ///
    /// # Errors
    /// An expression failed, or gave nothing where a path or URL needs a value: a dead letter.
    pub fn render(&self, event: &Event) -> Result<String, RuleError> {
        self.render_with(event, String::push_str)
    }

    /// The text for an event, with every value put at the end of the text so far by `put`: for a markup that needs an
    /// escaping of its own, which the literal parts are not given.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_with(
        &self,
        event: &Event,
        mut put: impl FnMut(&mut String, &str),
    ) -> Result<String, RuleError> {
        let _budget = budget::begin();
        let mut variables = self.reads.variables(event, self.needs)?;
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) if self.kind == TemplateKind::Path => {
                    let formatted = event.meta().time.strftime(literal);
                    text.push_str(&formatted.map_err(|message| self.error(message))?);
                }
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(program) => {
                    let value = program.evaluate(&mut variables)?;
                    put(&mut text, &self.escaped(program, &value)?);
                }
            }
        }
        let refused = match self.kind {
            TemplateKind::Text => None,
            TemplateKind::Path => escape::refuse_path(&text),
            TemplateKind::Url => escape::refuse_url(&text),
        };
        refused.map_or(Ok(text), |reason| Err(self.error(reason)))
    }

    /// Whether it is the same for every event.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// The text before the first part that depends on the event; no result can leave it.
    pub fn literal_prefix(&self) -> &str {
        &self.prefix
    }

    /// The values, as they stand in `text`, that this template would have made it of; `None` if it cannot have.
    ///
    /// Between two literal parts the shortest stretch is taken. In a URL and in a path no value holds a `/`.
    pub fn values_in<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut values = Vec::new();
        let (mut rest, mut is_open) = (text, false);
        for (number, part) in self.parts.iter().enumerate() {
            match part {
                Part::Value(_) if is_open => return None,
                Part::Value(_) => is_open = true,
                Part::Literal(literal) => {
                    let is_last = number + 1 == self.parts.len();
                    let at = if !is_open {
                        rest.starts_with(literal.as_str()).then_some(0)
                    } else if is_last {
                        rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal.as_str()))
                    } else {
                        rest.find(literal.as_str())
                    }?;
                    values.extend(is_open.then_some(&rest[..at]));
                    (rest, is_open) = (&rest[at + literal.len()..], false);
                }
            }
        }
        values.extend(is_open.then_some(std::mem::take(&mut rest)));
        let is_whole = rest.is_empty()
            && (self.kind == TemplateKind::Text || !values.iter().any(|value| value.contains('/')));
        is_whole.then_some(values)
    }

    fn escaped(&self, program: &Program, value: &Dynamic) -> Result<String, RuleError> {
        let is_container = value.is_map() || value.is_array();
        let text = if value.is_unit() {
            String::new()
        } else if let Ok(text) = value.as_immutable_string_ref() {
            text.to_string()
        } else if let Ok(character) = value.as_char() {
            character.to_string()
        } else {
            let json = write::json(value).map_err(|error| program.error(error.to_string()))?;
            String::from_utf8(json).map_err(|error| program.error(error.to_string()))?
        };
        if self.kind == TemplateKind::Text {
            return Ok(text);
        }
        if is_container {
            let found = kind(value.type_name());
            return Err(program.error(format!("expected text or a number, found {found}")));
        }
        if text.is_empty() {
            return Err(program
                .error("the value is empty, and a path or URL needs one")
                .with_help("give a default: `{{ event.x ?? \"none\" }}`"));
        }
        Ok(escape::segment(&text))
    }

    fn error(&self, message: impl Into<String>) -> RuleError {
        RuleError::new(message).at(&self.place, Position::NONE)
    }

    fn check_path(&mut self) -> Result<(), Problem> {
        if self.prefix.is_empty() {
            return Err(
                Problem::new("", "a path begins with a literal part").with_help("like `data/{{ … }}`")
            );
        }
        for part in &self.parts {
            if let Part::Literal(literal) = part {
                Timestamp::default().strftime(literal).map_err(|message| {
                    Problem::new("", message).with_help("a literal `%` is written `%%`")
                })?;
            }
        }
        if let Some(at) = self.prefix.find('%') {
            self.prefix.truncate(at);
            self.fixed = false;
        }
        Ok(())
    }

    fn check_url(&self) -> Result<(), Problem> {
        let after_scheme = self.prefix.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        let host_ends = after_scheme.find(['/', '?', '#']);
        let is_whole = match host_ends {
            Some(at) => at > 0,
            None => self.is_fixed() && !after_scheme.is_empty(),
        };
        if is_whole {
            return Ok(());
        }
        let message = "a URL begins with a literal scheme and host";
        Err(Problem::new("", message).with_help("like `https://api.example.com/things/{{ event.id }}`"))
    }
}

/// The expressions of a template as text, each with its place.
///
/// # Errors
/// A `{{` is never closed.
pub(crate) fn expressions(located: &Located) -> Result<Vec<Located>, Problem> {
    let of = |piece: Piece<'_>| match piece {
        Piece::Literal(_) => None,
        Piece::Expression { start, length } => Some(expression_at(located, start, length)),
    };
    Ok(pieces(&located.text)?.into_iter().filter_map(of).collect())
}

/// Literal parts and expressions, in order.
fn split(located: &Located) -> Result<Vec<Part>, Problem> {
    let part = |piece: Piece<'_>| match piece {
        Piece::Literal(text) => Ok(Part::Literal(text.to_owned())),
        Piece::Expression { start, length } => {
            value(located, start, length).map(|program| Part::Value(Box::new(program)))
        }
    };
    pieces(&located.text)?.into_iter().map(part).collect()
}

/// A stretch of a template's text.
enum Piece<'t> {
    Literal(&'t str),
    /// Bytes between the braces.
    Expression {
        start: usize,
        length: usize,
    },
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let open = at + found;
        let start = open + 2;
        let Some(length) = expression_length(&text[start..]) else {
            let (line, column) = line_and_column(text, open);
            return Err(Problem::new("", "`{{` is never closed by `}}`").inside(line, column));
        };
        if open > at {
            pieces.push(Piece::Literal(&text[at..open]));
        }
        pieces.push(Piece::Expression { start, length });
        at = start + length + 2;
    }
    if at < text.len() {
        pieces.push(Piece::Literal(&text[at..]));
    }
    Ok(pieces)
}

/// The expression at `start` of the text, compiled.
fn value(located: &Located, start: usize, length: usize) -> Result<Program, Problem> {
    Program::expression(&expression_at(located, start, length)).map_err(|problem| {
        let (line, column) = line_and_column(&located.text, start);
        let (inner_line, inner_column) = problem.inside.unwrap_or((1, 1));
        let first = if inner_line == 1 { column } else { 1 };
        problem.inside(line + inner_line - 1, first + inner_column - 1)
    })
}

/// The expression at `start` of the text, with its own place.
fn expression_at(located: &Located, start: usize, length: usize) -> Located {
    let (line, column) = line_and_column(&located.text, start);
    let place = located.place(line, column);
    Located {
        text: located.text[start..start + length].to_owned(),
        file: located.file.clone(),
        line: place.map_or(0, |(line, _)| line),
        column: place.map_or(0, |(_, column)| column),
        block: false,
    }
}

/// Bytes up to the `}}` that closes the expression; braces and quotes inside it are respected.
fn expression_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(open), '\\') if open != '`' => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

/// Line and column (in characters) of a byte of the text, both from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
